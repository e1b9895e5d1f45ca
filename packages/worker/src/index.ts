/** The shell of a worker: queues in, reports out. */
export {
  type Delivery,
  type LimitedSource,
  type StepReport,
  WorkerPool,
  type WorkerPoolOptions,
} from './worker-pool.ts';
