export type { Call, Ending } from './call-log.ts';
export { type DemoModel, type DemoModelOptions, startDemoModel } from './server.ts';
