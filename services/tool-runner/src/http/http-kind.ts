/** Tools that are HTTP endpoints of the operator's. */
import { ApiError } from '@tailrace/protocol';
import type { Sealer } from '@tailrace/registry';
import { type Dispatcher, errors, request } from 'undici';
import { type ConnectionLimits, Connections } from '../connections.ts';
import { openHeaders } from '../open-headers.ts';
import { secretsOf } from '../secrets.ts';
import type { ToolCall, ToolKind } from '../tool-kind.ts';
import { httpToolOutput } from './http-output.ts';
import { type HttpToolRequest, httpToolRequest } from './http-request.ts';

/** Bounds of all calls of a process. */
export interface HttpKindLimits extends ConnectionLimits {
  maxOutputBytes: number;
}

/** The tools of kind `http`. */
export function httpKind(limits: HttpKindLimits, sealer: Sealer): ToolKind {
  const connections = new Connections(limits, { maxResponseSize: limits.maxOutputBytes });
  return {
    target(work, registered) {
      if (work.mcp || registered?.kind !== 'http') return null;
      const headers = openHeaders(registered.headers, registered.name, sealer);
      const secrets = secretsOf(headers);
      return {
        source: { id: registered.name, callsPerMinute: registered.callsPerMinute },
        timeoutMs: registered.timeoutMs,
        idempotent: registered.idempotent,
        secrets,
        prepare(checked) {
          const asked = httpToolRequest(registered, checked);
          return (call) => callTool(asked, { headers, secrets }, connections.for(registered), call);
        },
      };
    },
    close: () => connections.close(),
  };

  async function callTool(
    { method, url, body }: HttpToolRequest,
    { headers, secrets }: { headers: Record<string, string>; secrets: readonly string[] },
    dispatcher: Dispatcher,
    call: ToolCall,
  ): Promise<{ output: string }> {
    try {
      // No redirect is followed: the tool is where the operator said.
      const answer = await request(url, {
        method,
        dispatcher,
        signal: call.signal,
        headers: {
          accept: 'application/json, text/*;q=0.9, */*;q=0.5',
          ...headers,
          ...(body === null ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
        body,
      });
      call.answered(answer.statusCode);
      const type = answer.headers['content-type'];
      const output = httpToolOutput(
        typeof type === 'string' ? type : type?.[0],
        Buffer.from(await answer.body.bytes()),
        secrets,
      );
      if (answer.statusCode < 200 || answer.statusCode > 299) {
        throw new ApiError('tool_http_error', { status: answer.statusCode, body: output });
      }
      return { output };
    } catch (error) {
      if (call.signal.aborted) throw error;
      throw toApiError(error);
    }
  }

  function toApiError(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof errors.ResponseExceededMaxSizeError) {
      return new ApiError('tool_output_too_large', { limit: limits.maxOutputBytes }, { cause: error });
    }
    if (error instanceof errors.HeadersOverflowError) {
      const reason = `its headers are larger than ${limits.maxHeaderBytes} bytes`;
      return new ApiError('tool_invalid_answer', { reason }, { cause: error });
    }
    const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
    return new ApiError('tool_unreachable', { reason: code }, { cause: error });
  }
}
