/** What a process of a stack is. */
export type Role = 'gateway' | 'orchestrator' | 'model-caller' | 'tool-runner' | 'demo-model' | 'nats' | 'postgres';

/** The roles that are Tailrace's own services. */
export type ServiceRole = 'gateway' | 'orchestrator' | 'model-caller' | 'tool-runner';

/** How many of each service a stack has. */
export interface Replicas {
  readonly gateway: number;
  readonly orchestrator: number;
  readonly modelCaller: number;
  readonly toolRunner: number;
}

/** The services, in the order people read them, and the name of each one's count in {@link Replicas}. */
export const SERVICES: readonly { readonly role: ServiceRole; readonly count: keyof Replicas }[] = [
  { role: 'gateway', count: 'gateway' },
  { role: 'orchestrator', count: 'orchestrator' },
  { role: 'model-caller', count: 'modelCaller' },
  { role: 'tool-runner', count: 'toolRunner' },
];
