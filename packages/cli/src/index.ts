/** The machinery of `npm start`, for tests and the demo. */
export { DataDirInUse } from './data-dir.ts';
export { type LocalConfig, mergeConfig } from './local-config.ts';
export type { Replicas, Role, ServiceRole } from './role.ts';
export type { ProcessInfo, RunState } from './run-file.ts';
export { type Stack, startStack } from './stack.ts';
export type { Progress, StackOptions } from './stack-options.ts';
