import { createLogger, readEnv, runService } from '@tailrace/service';
import { gatewayEnv } from './config.ts';
import { startGateway } from './service.ts';

const config = readEnv(gatewayEnv);
const log = createLogger('gateway', config.LOG_LEVEL);
await runService(log, config.DRAIN_MS, () => startGateway(config, log));
