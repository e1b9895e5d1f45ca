import { createLogger, readEnv, runService } from '@tailrace/service';
import { modelCallerEnv } from './config.ts';
import { startModelCaller } from './service.ts';

const config = readEnv(modelCallerEnv);
const log = createLogger('model-caller', config.LOG_LEVEL);
await runService(log, config.DRAIN_MS, () => startModelCaller(config, log));
