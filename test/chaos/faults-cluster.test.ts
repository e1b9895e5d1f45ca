/** What can happen to a cluster of nats-servers only. */
import { describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { ask, faultSuite, publishTo, unready } from './fault-suite.ts';
import { type ChaosSystem, healthy, troublesOf } from './machine/faults/index.ts';
import { withJetStream } from './machine/faults/nats.ts';

describe('a cluster of three', () => {
  let led: string | undefined;
  /** Undefined while nobody answers for the stream. */
  const leaderOf = ({ infra }: ChaosSystem, stream: string) =>
    withJetStream(infra.natsUrl, (jsm) => jsm.streams.info(stream)).then(
      ({ cluster }) => cluster?.leader,
      () => undefined,
    );
  const runningMembers = ({ infra }: ChaosSystem) => infra.nats.filter(({ pid }) => pid !== undefined);

  const { system } = faultSuite({ cluster: true }, () => [
    [
      'nats-leader-killed',
      'TR_LOG_0',
      async (one) => {
        const [dead] = one.infra.nats.filter(({ pid }) => pid === undefined);
        expect(runningMembers(one).length).toBe(2);
        led = await eventually('another member leads', async () => {
          const leader = await leaderOf(one, 'TR_LOG_0');
          return leader !== dead?.name && leader;
        });
        return undefined;
      },
    ],
    [
      'nats-follower-killed',
      'TR_LOG_0',
      async (one) => {
        expect(runningMembers(one).map(({ name }) => name)).toContain(led);
        expect(runningMembers(one).length).toBe(2);
        await eventually('publishes are stored', () => stored(one));
        return undefined;
      },
    ],
    [
      'nats-quorum-lost',
      'nats',
      async (one) => {
        await expect(publishTo(one, 'tr.log.0.test')).rejects.toThrow();
        return async () => {
          await eventually('publishes are stored again', () => stored(one));
        };
      },
    ],
  ]);

  /** Whether a publish is stored; it may time out while members look for a leader. */
  const stored = (one: ChaosSystem) =>
    publishTo(one, 'tr.log.0.test').then(
      (answer) => answer === 'stored',
      () => false,
    );

  test('streams have three copies, and services know no way but their links', async () => {
    const { cluster } = await withJetStream(system().infra.natsUrl, (jsm) => jsm.streams.info('TR_LOG_0'));
    expect(cluster?.replicas?.length).toBe(2);
    system().link('gateway 0 > nats').mode({ kind: 'cut' });
    system().link('gateway 0 > nats').mode({ kind: 'refuse' });
    await unready('gateway 0', 'nats')(system());
    expect((await troublesOf(system())).length).toBe(1);
    system().link('gateway 0 > nats').mode({ kind: 'pass' });
    await healthy(system());
    expect((await ask(system(), '!text 5')).status).toBe('completed');
  });
});
