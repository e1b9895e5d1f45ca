/** What every service is made of: configuration, logging, health, metrics and drain. */
export { ConfigError, commonEnv, env, readEnv, sealingSecret, secretEnv } from './config.ts';
export { createLogger, type Logger } from './logger.ts';
export { addOpsRoutes, createMetrics, type ReadinessCheck } from './ops.ts';
export { type RunningService, runService } from './run.ts';
