/** The order in which files are run: those that take longest first, so that none of them is alone at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take more than twenty seconds beside others. Nobody has measured anything yet in a clean checkout. */
const LONGEST = [
  'test/fuzz/malformed.test.ts',
  'test/chaos/machine.test.ts',
  'test/e2e/slow-readers.test.ts',
  'test/e2e/bounds.test.ts',
  'test/chaos/agents.test.ts',
  'test/chaos/postgres-down.test.ts',
  'packages/cli/test/stack.test.ts',
  'test/chaos/faults.test.ts',
  'test/chaos/faults-cluster.test.ts',
  'test/e2e/admin-cli.test.ts',
  'test/e2e/operations-drain.test.ts',
  'test/e2e/websocket-end.test.ts',
  'test/e2e/disconnect.test.ts',
  'test/chaos/kill.test.ts',
  'test/chaos/rolling-restart.test.ts',
  'test/e2e/analytics-faults.test.ts',
  'test/chaos/crash-points.test.ts',
];

/** The longest in that order, then those of whole stacks, then the others; among themselves as vitest has them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const rankOf = ({ moduleId }: TestSpecification) => {
      const path = moduleId.slice(root.length + 1);
      const place = LONGEST.indexOf(path);
      if (place !== -1) return place;
      return path.startsWith('test/') ? LONGEST.length : LONGEST.length + 1;
    };
    return (await super.sort(files)).toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}
