/** The body of a call that is passed on, as its upstream gets it: the client's, and what has to be known of the answer. */
import type { RelayWork } from '@tailrace/bus';

/** What is sent, but for the upstream's name of the model. */
export interface RelayBody {
  body: Record<string, unknown>;
  streams: boolean;
  /** Whether the client wants to be told of its tokens at the end of a stream. */
  wantsUsage: boolean;
}

/** See the file's head. */
export function relayBody({ endpoint, body }: Pick<RelayWork, 'endpoint' | 'body'>): RelayBody {
  const streams = endpoint === 'chat.completions' && body.stream === true;
  if (!streams) return { body, streams, wantsUsage: false };
  const given = isObject(body.stream_options) ? body.stream_options : {};
  const options = { ...given, include_usage: true };
  return { body: { ...body, stream_options: options }, streams, wantsUsage: given.include_usage === true };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
