import type { FaultRecord } from '../record/index.ts';
import { CLOCK_FAULTS } from './clock-faults.ts';
import { JETSTREAM_FAULTS } from './jetstream-faults.ts';
import { type FaultKind, takesLogs } from './kinds.ts';
import { LINK_FAULTS } from './link-faults.ts';
import { NATS_FAULTS } from './nats-faults.ts';
import { POSTGRES_FAULTS } from './postgres-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import type { ChaosSystem } from './system.ts';
import { UPSTREAM_FAULTS } from './upstream-faults.ts';

/**
 * Ends a fault and puts right what it did. It resolves once what the fault hit is there again (processes are ready, servers
 * answer), which may need other faults' heals: heals of faults that are there at once are called at once. Any number of calls.
 */
export type Heal = () => Promise<void>;

/** Makes a fault happen to a target; resolves once it is there. */
export type Inject = (system: ChaosSystem, target: string) => Promise<Heal>;

const INJECTIONS: Record<FaultKind, Inject> = {
  ...PROCESS_FAULTS,
  ...CLOCK_FAULTS,
  ...POSTGRES_FAULTS,
  ...NATS_FAULTS,
  ...JETSTREAM_FAULTS,
  ...LINK_FAULTS,
  ...UPSTREAM_FAULTS,
};

/** A kind of fault, as it can be done to one system. */
export interface Fault {
  readonly kind: FaultKind;
  /** @param target one of those that `targetsOf` names. @throws Error when there is none of that name. */
  inject(target: string): Promise<Heal>;
}

/** The fault of a kind. */
export function faultOf(system: ChaosSystem, kind: FaultKind): Fault {
  return { kind, inject: (target) => INJECTIONS[kind](system, target) };
}

/** Faults that are there. */
export interface Inflicted {
  /** Heals all of them at once; their records when that is done. @throws AggregateError of the heals that failed. */
  heal(): Promise<FaultRecord[]>;
}

/**
 * Injects several faults at once.
 *
 * @throws the reason when one cannot be injected; the others have been healed then.
 */
export async function inflict(
  system: ChaosSystem,
  faults: readonly { readonly kind: FaultKind; readonly target: string }[],
): Promise<Inflicted> {
  const injected = await Promise.allSettled(
    faults.map(async ({ kind, target }) => {
      const from = Date.now();
      const heal = await faultOf(system, kind).inject(target);
      return async (): Promise<FaultRecord> => {
        await heal();
        const logs = takesLogs(kind) ? ({ takesLogs: 'all' } as const) : {};
        return { kind, target, from, to: Date.now(), ...logs };
      };
    }),
  );
  const heals = injected.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const heal = async () => {
    const healed = await Promise.allSettled(heals.map((one) => one()));
    const failed = healed.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    if (failed.length > 0) throw new AggregateError(failed, 'faults could not be healed');
    return healed.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  };
  const failed = injected.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await heal();
    throw failed.reason;
  }
  return { heal };
}
