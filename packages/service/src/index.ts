/** What every service is made of: configuration, logging, health, metrics and drain. */
export { ConfigError, commonEnv, env, readEnv, sealingSecret, secretEnv } from './config.ts';
export { type CrashPoint, crashPoint } from './crash-point.ts';
export { createLogger, type Logger } from './logger.ts';
export { addOpsRoutes, createMetrics, natsCheck, type ReadinessCheck } from './ops.ts';
export { type RunningService, runService } from './run.ts';
