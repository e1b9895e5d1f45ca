/** The shell of a worker: queues in, reports out. */
export { type Announce, announcer } from './call-notes.ts';
export { StepCancelled } from './cancellations.ts';
export { workerEnv } from './config.ts';
export { StepSuperseded } from './superseded.ts';
export type { Delivery, LimitedSource, StepReport } from './worker-pool.ts';
export { startWorker, type Workbench, type WorkbenchTools, type WorkerKind } from './worker-service.ts';
