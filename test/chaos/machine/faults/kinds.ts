/** Every kind of fault, what it can hit, and what it needs for itself. Pure. */
import { linksOf, processesOf, STREAMS, type Topology } from './topology.ts';

/** All kinds. */
export const FAULT_KINDS = [
  'process-killed',
  'process-frozen',
  'process-terminated',
  'rolling-restart',
  'clock-forward',
  'clock-backward',
  'postgres-killed',
  'postgres-frozen',
  'postgres-restarted',
  'postgres-exhausted',
  'postgres-read-only',
  'nats-killed',
  'nats-frozen',
  'nats-restarted',
  'nats-wiped',
  'nats-leader-killed',
  'nats-follower-killed',
  'nats-quorum-lost',
  'jetstream-full',
  'link-half-open',
  'link-slow',
  'link-cut',
  'link-refused',
  'upstream-429',
  'upstream-500',
  'upstream-hang',
  'upstream-cut',
] as const;

/** The name of a kind of fault. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Whether a text names a kind. */
export function isFaultKind(text: string): text is FaultKind {
  return FAULT_KINDS.some((kind) => kind === text);
}

/** What a kind can hit in such a system; nothing when the system has no such thing. */
export function targetsOf(kind: FaultKind, topology: Topology): string[] {
  switch (kind) {
    case 'process-killed':
    case 'process-frozen':
    case 'process-terminated':
    case 'clock-forward':
    case 'clock-backward':
      return processesOf(topology).map(({ name }) => name);
    case 'rolling-restart':
      return ['services'];
    case 'postgres-killed':
    case 'postgres-frozen':
    case 'postgres-restarted':
    case 'postgres-exhausted':
    case 'postgres-read-only':
      return ['postgres'];
    case 'nats-killed':
    case 'nats-frozen':
    case 'nats-restarted':
    case 'nats-wiped':
      return ['nats'];
    case 'nats-leader-killed':
    case 'nats-follower-killed':
      return topology.isCluster ? [...STREAMS] : [];
    case 'nats-quorum-lost':
      return topology.isCluster ? ['nats'] : [];
    case 'jetstream-full':
      return [...STREAMS];
    case 'link-half-open':
    case 'link-slow':
    case 'link-cut':
    case 'link-refused':
      return linksOf(topology).map(({ name }) => name);
    case 'upstream-429':
    case 'upstream-500':
    case 'upstream-hang':
    case 'upstream-cut':
      return ['upstream', 'tools'];
  }
}

/** The parts that a fault needs for itself: two faults at once must have none in common. */
export function partsOf(kind: FaultKind, target: string, topology: Topology): string[] {
  switch (kind) {
    case 'rolling-restart':
      return processesOf(topology).map(({ name }) => name);
    case 'nats-leader-killed':
    case 'nats-follower-killed':
    case 'jetstream-full':
      return ['nats'];
    default:
      return [target];
  }
}

/** Whether JetStream has lost its logs after a fault of this kind. */
export function takesLogs(kind: FaultKind): boolean {
  return kind === 'nats-wiped';
}
