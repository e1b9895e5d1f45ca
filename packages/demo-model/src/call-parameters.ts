import { beginningOf, keptArguments } from './call-log.ts';
import { isRecord } from './record.ts';

/** The fields that hold what is said and offered. */
const contents = new Set(['messages', 'input', 'tools']);
const maxParameters = 64;
const maxTools = 128;

/**
 * The top-level fields of a request except what is said and offered: at most 64, each whole where its JSON is short,
 * else the beginning of it.
 */
export function keptParameters(body: unknown): Record<string, unknown> | null {
  if (!isRecord(body)) return null;
  const fields = Object.entries(body).filter(([name]) => !contents.has(name));
  return Object.fromEntries(
    fields
      .slice(0, maxParameters)
      .map(([name, value]) => [beginningOf(name), keptArguments(value, JSON.stringify(value))]),
  );
}

/** The names of the tools that a request offers, at most 128; the type of a tool that has no name. */
export function offeredNames(body: unknown): string[] | null {
  if (!isRecord(body) || !Array.isArray(body.tools)) return null;
  return (body.tools as unknown[]).slice(0, maxTools).map((tool) => {
    if (!isRecord(tool)) return typeof tool;
    const name = isRecord(tool.function) ? tool.function.name : tool.name;
    return beginningOf(String(name ?? tool.type));
  });
}
