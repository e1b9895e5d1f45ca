/** What happens to the wires between two parts. */
import type { ProxyMode } from '../proxy/index.ts';
import type { Heal } from './fault.ts';
import type { ChaosSystem } from './system.ts';

const CUT_EVERY_MS = 500;
// A bad mobile line.
const SLOW: ProxyMode = { kind: 'slow', bytesPerSecond: 16_000, latencyMs: 150 };

/** By their kinds. */
export const LINK_FAULTS = {
  'link-half-open': async (system: ChaosSystem, target: string): Promise<Heal> =>
    inMode(system, target, { kind: 'half-open' }),

  'link-slow': async (system: ChaosSystem, target: string): Promise<Heal> => inMode(system, target, SLOW),

  /** Everything that is connected is reset, again and again. */
  'link-cut': async (system: ChaosSystem, target: string): Promise<Heal> => {
    const link = system.link(target);
    const cut = () => link.mode({ kind: 'cut' });
    cut();
    const timer = setInterval(cut, CUT_EVERY_MS);
    return async () => {
      clearInterval(timer);
      link.mode({ kind: 'pass' });
    };
  },

  /** There is no way through at all, and both ends are told. */
  'link-refused': async (system: ChaosSystem, target: string): Promise<Heal> => {
    system.link(target).mode({ kind: 'cut' });
    return inMode(system, target, { kind: 'refuse' });
  },
};

function inMode(system: ChaosSystem, target: string, mode: ProxyMode): Heal {
  const link = system.link(target);
  link.mode(mode);
  return async () => link.mode({ kind: 'pass' });
}
