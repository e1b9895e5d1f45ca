import { createLogger, readEnv, runService } from '@tailrace/service';
import { orchestratorEnv } from './config.ts';
import { startOrchestrator } from './service.ts';

const config = readEnv(orchestratorEnv);
const log = createLogger('orchestrator', config.LOG_LEVEL);
await runService(log, config.DRAIN_MS, () => startOrchestrator(config, log));
