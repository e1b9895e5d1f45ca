import type { Role } from '@tailrace/cli';
import { eventually } from './eventually.ts';
import type { TestStack } from './stack.ts';

/** How many steps a worker has under way, as its metrics say; undefined when it does not answer. */
export async function activeSteps(url: string): Promise<number | undefined> {
  try {
    const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(1_000) })).text();
    const line = text.split('\n').find((each) => each.startsWith('tailrace_worker_steps_active '));
    return line === undefined ? undefined : Number(line.split(' ')[1]);
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return undefined;
    throw error;
  }
}

/** The worker of a role that is at work; waits until there is one. */
export async function activeWorker(stack: TestStack, role: Role): Promise<{ index: number; pid: number; url: string }> {
  return eventually(`a ${role} is at work`, async () => {
    for (const { role: each, index, pid, url } of stack.processes()) {
      if (each === role && url !== undefined && ((await activeSteps(url)) ?? 0) > 0) return { index, pid, url };
    }
    return undefined;
  });
}
