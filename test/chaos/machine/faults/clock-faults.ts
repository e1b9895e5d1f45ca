/** Wall clocks that jump. */
import type { Heal } from './fault.ts';
import { type ChaosSystem, processOf } from './system.ts';

const JUMP_MS = 3_600_000;

/** By their kinds. */
export const CLOCK_FAULTS = {
  'clock-forward': (system: ChaosSystem, target: string): Promise<Heal> => jump(system, target, JUMP_MS),
  'clock-backward': (system: ChaosSystem, target: string): Promise<Heal> => jump(system, target, -JUMP_MS),
};

async function jump({ clocks, topology }: ChaosSystem, target: string, offsetMs: number): Promise<Heal> {
  const { name } = processOf(topology, target);
  await clocks.set(name, offsetMs);
  return () => clocks.set(name, 0);
}
