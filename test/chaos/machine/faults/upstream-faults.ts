/** Storms at the model and at the tools. */
import type { Storm } from '../proxy/index.ts';
import type { Heal } from './fault.ts';
import type { ChaosSystem } from './system.ts';

/** By their kinds. */
export const UPSTREAM_FAULTS = {
  'upstream-429': storm({ kind: 'status', status: 429, retryAfterS: 1 }),
  'upstream-500': storm({ kind: 'status', status: 500 }),
  'upstream-hang': storm({ kind: 'hang' }),
  /** In the middle of an answer. */
  'upstream-cut': storm({ kind: 'cut', afterBytes: 600 }),
};

function storm(weather: Storm) {
  return async (system: ChaosSystem, target: string): Promise<Heal> => {
    const front = system.front(target);
    front.storm(weather);
    return async () => front.storm(undefined);
  };
}
