/** What an HTTP tool is sent: the arguments of a call as a URL and a body. Pure. */
import { ApiError } from '@tailrace/protocol';
import type { RegisteredHttpTool } from '@tailrace/registry';
import type { CheckedArguments } from '@tailrace/tool-arguments';

/** A request without its headers. */
export interface HttpToolRequest {
  method: RegisteredHttpTool['method'];
  url: string;
  /** JSON. */
  body: string | null;
}

type Shape = Pick<RegisteredHttpTool, 'method' | 'url' | 'argumentsIn'>;

const PLACEHOLDER = /\{([^{}]+)\}/g;

/**
 * The request for a call.
 * @throws ApiError `tool_arguments_mismatch` for arguments that the URL cannot take
 */
export function httpToolRequest(tool: Shape, { text, value }: CheckedArguments): HttpToolRequest {
  const taken = new Set([...tool.url.matchAll(PLACEHOLDER)].map(([, name = '']) => name));
  const url = filledUrl(tool.url, value);
  const left = Object.entries(value).filter(([name]) => !taken.has(name));
  if (tool.argumentsIn === 'query' || tool.method === 'GET') {
    for (const [name, each] of left) {
      for (const item of queryValues(each)) {
        url.searchParams.append(sendable(name, name), sendable(name, item));
      }
    }
    return { method: tool.method, url: url.href, body: null };
  }
  // The model's own text, where all of it is sent: numbers stay as it wrote them.
  const body = taken.size === 0 ? text : JSON.stringify(Object.fromEntries(left));
  return { method: tool.method, url: url.href, body };
}

/** Whatever a model writes, the request goes to the path that the operator meant: no more and no fewer segments. */
function filledUrl(template: string, args: Record<string, unknown>): URL {
  const meant = URL.parse(template.replace(PLACEHOLDER, 'x'));
  const url = URL.parse(
    template.replace(PLACEHOLDER, (_, name: string) => encodeURIComponent(sendable(name, pathValue(name, args[name])))),
  );
  if (!meant || !url || url.origin !== meant.origin || segments(url) !== segments(meant)) {
    throw new ApiError('tool_arguments_mismatch', { reason: 'a value leads out of the path of the URL' });
  }
  return url;
}

const segments = ({ pathname }: URL): number => pathname.split('/').filter((each) => each !== '').length;

function pathValue(name: string, value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (value !== '') return value;
      break;
    case 'number':
    case 'boolean':
      return String(value);
  }
  throw new ApiError('tool_arguments_mismatch', {
    reason: `/${name} must be a text or a number: it is part of the URL`,
  });
}

/** Half of a surrogate pair has no bytes: a URL would throw, or hold something that the model has not written. */
function sendable(name: string, text: string): string {
  if (text.isWellFormed()) return text;
  throw new ApiError('tool_arguments_mismatch', {
    reason: `/${name.toWellFormed()} holds half of a surrogate pair, which cannot be part of the URL`,
  });
}

function queryValues(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value))
    return value.flatMap((each) => (Array.isArray(each) ? [JSON.stringify(each)] : queryValues(each)));
  return [typeof value === 'object' ? JSON.stringify(value) : String(value)];
}
