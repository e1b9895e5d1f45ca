/** The shell of a worker: queues in, reports out. */
export { type Announce, announcer } from './call-notes.ts';
export { StepCancelled } from './cancellations.ts';
export { workerEnv } from './config.ts';
export type { LimitedSource } from './left-queues.ts';
export { isRecorded } from './step-question.ts';
export type { Delivery, StepReport } from './step-runner.ts';
export { StepSuperseded } from './superseded.ts';
export { startWorker, type Workbench, type WorkbenchTools, type WorkerKind } from './worker-service.ts';
