/** What a system under test consists of, by the names that faults use for their targets. */
import type { Replicas, ServiceRole } from '@tailrace/cli';

/** How many of what there are. */
export interface Topology {
  readonly replicas: Replicas;
  /** Whether NATS is a cluster of three. */
  readonly isCluster: boolean;
}

/** A process of a service. */
export interface ProcessName {
  readonly role: ServiceRole;
  readonly index: number;
  /** `gateway 0` */
  readonly name: string;
}

/** The streams that everything passes through (of an installation with one partition). */
export const STREAMS = ['TR_CHAIN', 'TR_WORK', 'TR_LOG_0'] as const;

const ROLES: readonly (readonly [role: ServiceRole, count: keyof Replicas])[] = [
  ['gateway', 'gateway'],
  ['orchestrator', 'orchestrator'],
  ['model-caller', 'modelCaller'],
  ['tool-runner', 'toolRunner'],
];

/** All processes of the services. */
export function processesOf({ replicas }: Topology): ProcessName[] {
  return ROLES.flatMap(([role, count]) =>
    Array.from({ length: replicas[count] }, (_, index) => ({ role, index, name: `${role} ${index}` })),
  );
}

/** What a link leads to. */
export type Far = 'nats' | 'postgres' | 'upstream' | 'tools' | 'gateway';

/** A pair of parts that speak over TCP. */
export interface LinkName {
  /** `gateway 0 > nats`; one that all processes of a role share has no index: `model-caller > upstream`. */
  readonly name: string;
  readonly far: Far;
}

/** Every pair. What the registry says is the same for all processes, so workers share their links to what they call. */
export function linksOf(topology: Topology): LinkName[] {
  return [
    ...processesOf(topology).flatMap(linksOfProcess),
    { name: UPSTREAM_LINK, far: 'upstream' },
    { name: TOOLS_LINK, far: 'tools' },
  ];
}

function linksOfProcess({ role, name }: ProcessName): LinkName[] {
  const nats = { name: `${name} > nats`, far: 'nats' } as const;
  const postgres = { name: `${name} > postgres`, far: 'postgres' } as const;
  switch (role) {
    case 'gateway':
      return [{ name: `client > ${name}`, far: 'gateway' }, nats, postgres];
    case 'orchestrator':
      return [nats, postgres];
    case 'model-caller':
    case 'tool-runner':
      return [nats];
  }
}

/** The model-callers' link to the model. */
export const UPSTREAM_LINK = 'model-caller > upstream';
/** The tool-runners' link to the tools. */
export const TOOLS_LINK = 'tool-runner > tools';
