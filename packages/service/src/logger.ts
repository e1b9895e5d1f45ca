import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** The structured log of a service. Lines about a response carry `response_id`, about a step `step_id`. */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service, pid: process.pid },
    redact: ['req.headers.authorization', 'headers.authorization', '*.apiKey', '*.api_key'],
  });
}
