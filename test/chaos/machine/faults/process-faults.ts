/** What happens to the services' processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { signalTo } from '@tailrace/infra';
import type { Heal } from './fault.ts';
import { type ChaosSystem, processOf } from './system.ts';
import { type ProcessName, processesOf } from './topology.ts';

const START_WITHIN_MS = 60_000;
const RETRY_MS = 250;
const ROUNDS = 2;

/** By their kinds. */
export const PROCESS_FAULTS = {
  'process-killed': async (system: ChaosSystem, target: string): Promise<Heal> => {
    const process = processOf(system.topology, target);
    if (pidOf(system, process) !== undefined) await system.stack.kill(process.role, process.index, 'SIGKILL');
    return () => revive(system, process);
  },

  'process-frozen': async (system: ChaosSystem, target: string): Promise<Heal> => {
    const process = processOf(system.topology, target);
    const pid = pidOf(system, process);
    if (pid !== undefined) signalTo(pid, 'SIGSTOP');
    return async () => {
      // Another process may have its number when it has ended.
      if (pid !== undefined && pidOf(system, process) === pid) signalTo(pid, 'SIGCONT');
      await revive(system, process);
    };
  },

  'process-terminated': async (system: ChaosSystem, target: string): Promise<Heal> => {
    const process = processOf(system.topology, target);
    const ended = terminated(system, process);
    // It fails where it is awaited.
    void Promise.allSettled([ended]);
    return async () => {
      await ended;
      await revive(system, process);
    };
  },

  'rolling-restart': async (system: ChaosSystem, _target: string): Promise<Heal> => {
    const roles = Map.groupBy(processesOf(system.topology), ({ role }) => role);
    const rolled = Promise.all([...roles.values()].map((processes) => roll(system, processes)));
    void Promise.allSettled([rolled]);
    return async () => {
      await rolled;
    };
  },
};

/** Restarts the processes of a role, one after another, twice. */
async function roll(system: ChaosSystem, processes: readonly ProcessName[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const process of processes) {
      await terminated(system, process);
      await revive(system, process);
    }
  }
}

/** Asks a process to end, if there is one; resolves once it has. */
async function terminated(system: ChaosSystem, process: ProcessName): Promise<void> {
  if (pidOf(system, process) !== undefined) await system.stack.kill(process.role, process.index, 'SIGTERM');
}

/**
 * Starts a process unless it runs, and again when it ends before it is ready: what it needs may come back later.
 *
 * @throws whatever keeps it from starting for 60 s.
 */
export async function revive(system: ChaosSystem, { role, index }: ProcessName): Promise<void> {
  const deadline = performance.now() + START_WITHIN_MS;
  for (;;) {
    try {
      await system.stack.start(role, index);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(RETRY_MS);
  }
}

/** Undefined while the process does not run. */
export function pidOf({ stack }: ChaosSystem, { role, index }: ProcessName): number | undefined {
  return stack.processes().find((process) => process.role === role && process.index === index)?.pid;
}
