import { createLogger, readEnv, runService } from '@tailrace/service';
import { toolRunnerEnv } from './config.ts';
import { startToolRunner } from './service.ts';

const config = readEnv(toolRunnerEnv);
const log = createLogger('tool-runner', config.LOG_LEVEL);
await runService(log, config.DRAIN_MS, () => startToolRunner(config, log));
