/** What the machine does to a stack as its clients: seeded responses of all shapes, and clients of all habits. */
export { epochMs, sleep } from './clock.ts';
export { numberOf } from './frames.ts';
export { planResponse, type ResponsePlan } from './plan.ts';
export { noTraffic, type Traffic } from './retries.ts';
export { SHAPE_NAMES, type ShapeName } from './shapes.ts';
export { Workload, type WorkloadOptions } from './workload.ts';
export { RunOver, type World } from './world.ts';
