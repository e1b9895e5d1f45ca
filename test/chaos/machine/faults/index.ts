/** Everything that can go wrong, when it does, and a system to which it happens. */
export { type Fault, faultOf, type Heal, type Inflicted, inflict } from './fault.ts';
export { healthy, readinessOf, troublesOf } from './health.ts';
export { type ChaosInfra, type ChaosInfraOptions, chaosInfra } from './infra.ts';
export { FAULT_KINDS, type FaultKind, isFaultKind, partsOf, takesLogs, targetsOf } from './kinds.ts';
export { revive } from './process-faults.ts';
export { type Called, demoRegistry } from './registry.ts';
export { type PlannedFault, type ScheduleOptions, schedule } from './schedule.ts';
export { type ChaosSystem, type ChaosSystemOptions, chaosSystem } from './system.ts';
export { linksOf, processesOf, STREAMS, type Topology } from './topology.ts';
