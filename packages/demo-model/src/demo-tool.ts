import { isRecord } from './record.ts';

/** How a tool call goes: its output or error, `delayMs` after the request; or never. */
export interface ToolPlan {
  delayMs: number;
  hang: boolean;
  /** The error that is answered instead of the output, the first `times` times (null: always). */
  error: { status: number; message: string; times: number | null } | null;
  output: { type: 'application/json' | 'text/plain'; body: string };
}

const demoDelayMs: Record<string, number> = { get_weather: 400, get_time: 700 };
const maxDelayMs = 600_000;
const conditions = ['sunny', 'partly cloudy', 'cloudy', 'rainy', 'windy', 'foggy', 'snowy'];

/** Plans a call of a demo tool, or null for a tool that there is not. `demo` adds the delays that make a demo visible. */
export function planToolCall(tool: string, args: unknown, demo: boolean, maxBytes: number): ToolPlan | null {
  if (tool !== 'get_weather' && tool !== 'get_time' && tool !== 'echo') return null;
  if (!isRecord(args)) return refusal('The arguments must be a JSON object.');
  const { _ms, _status, _times, _bytes, _hang } = args;
  if (!integerOrAbsent(_ms, 0, maxDelayMs)) return refusal(`_ms must be an integer up to ${maxDelayMs}.`);
  if (!integerOrAbsent(_status, 400, 599)) return refusal('_status must be an integer from 400 to 599.');
  if (!integerOrAbsent(_times, 1, 1_000_000_000)) return refusal('_times must be an integer of 1 or more.');
  if (!integerOrAbsent(_bytes, 0, maxBytes)) return refusal(`_bytes must be an integer up to ${maxBytes}.`);
  if (tool !== 'echo' && typeof args.city !== 'string') return refusal('The argument city must be a string.');
  return {
    delayMs: _ms ?? (demo ? (demoDelayMs[tool] ?? 0) : 0),
    hang: _hang === true,
    error:
      _status === undefined
        ? null
        : { status: _status, message: `${tool} was asked to answer with status ${_status}.`, times: _times ?? null },
    output:
      _bytes === undefined
        ? { type: 'application/json', body: JSON.stringify(outputOf(tool, args)) }
        : { type: 'text/plain', body: 'x'.repeat(_bytes) },
  };
}

function outputOf(tool: 'get_weather' | 'get_time' | 'echo', args: Record<string, unknown>): unknown {
  if (tool === 'echo') return args;
  const city = String(args.city);
  const hash = hashOf(city.trim().toLowerCase());
  if (tool === 'get_weather') {
    return { city, temperature_c: (hash % 38) - 5, conditions: conditions[(hash >>> 8) % conditions.length] };
  }
  const minutes = hash % 1440;
  const offset = ((hash >>> 12) % 25) - 11;
  return {
    city,
    local_time: `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`,
    utc_offset: `${offset < 0 ? '-' : '+'}${twoDigits(Math.abs(offset))}:00`,
  };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

function integerOrAbsent(value: unknown, min: number, max: number): value is number | undefined {
  return value === undefined || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max);
}

function refusal(message: string): ToolPlan {
  return {
    delayMs: 0,
    hang: false,
    error: { status: 400, message, times: null },
    output: { type: 'text/plain', body: '' },
  };
}
