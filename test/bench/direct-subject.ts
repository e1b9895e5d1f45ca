/** The demo model under load, with the agent loop in the client: what an application does that has no server for it. */
import { HttpTarget } from './http-target.ts';
import { epochMs, readFrames } from './sse-reader.ts';
import type { Subject } from './subject.ts';

interface ToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

interface Assistant {
  role: 'assistant';
  content: string | null;
  tool_calls?: ToolCall[];
}

type Message = { role: 'user'; content: string } | { role: 'tool'; tool_call_id: string; content: string } | Assistant;

interface Chunk {
  choices: {
    delta: {
      content?: string | null;
      tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
    };
    finish_reason: string | null;
  }[];
}

/** Drives the demo model. `tools` are offered with every call, as Tailrace offers them. */
export function directSubject(origin: string, connections: number, tools: readonly object[]): Subject {
  const target = new HttpTarget(origin, connections, 'demo');

  /** One streamed model call. @throws Error unless it has a finish reason and ends with `[DONE]`. */
  async function streamed(
    messages: readonly Message[],
    signal: AbortSignal,
    onText: (at: number) => void,
  ): Promise<Assistant> {
    const message: Assistant = { role: 'assistant', content: null };
    let finish: string | null = null;
    let done = false;
    const options = { stream: true, stream_options: { include_usage: true } };
    const body = await target.post('/v1/chat/completions', { model: 'demo', messages, tools, ...options }, signal);
    await readFrames(body, (frame, at) => {
      if (frame === 'data: [DONE]') {
        done = true;
        return;
      }
      const choice = (JSON.parse(frame.slice('data: '.length)) as Chunk).choices[0];
      if (!choice) return;
      finish ??= choice.finish_reason;
      if (choice.delta.content) {
        message.content = (message.content ?? '') + choice.delta.content;
        onText(at);
      }
      for (const { index, id, function: part } of choice.delta.tool_calls ?? []) {
        message.tool_calls ??= [];
        const call = message.tool_calls[index];
        if (call) call.function.arguments += part.arguments;
        else {
          const begun = { name: part.name ?? '', arguments: part.arguments };
          message.tool_calls[index] = { id: id ?? '', type: 'function', function: begun };
        }
      }
    });
    if (!done || finish === null) throw new Error('a stream of the demo model was not whole');
    return message;
  }

  async function whole(messages: readonly Message[], signal: AbortSignal): Promise<Assistant> {
    const body = await target.post('/v1/chat/completions', { model: 'demo', messages, tools }, signal);
    const message = ((await body.json()) as { choices: { message: Assistant }[] }).choices[0]?.message;
    if (!message) throw new Error('the demo model answered nothing');
    return message;
  }

  async function toolOutput({ id, function: call }: ToolCall, signal: AbortSignal): Promise<Message> {
    const body = await target.post(`/tools/${call.name}`, JSON.parse(call.arguments), signal);
    return { role: 'tool', tool_call_id: id, content: await body.text() };
  }

  return {
    name: 'demo model',
    async stream(script, chunks, signal) {
      const arrivals: number[] = [];
      const sentAt = epochMs();
      await streamed([{ role: 'user', content: script }], signal, (at) => arrivals.push(at));
      if (arrivals.length !== chunks) throw new Error(`${arrivals.length} chunks came instead of ${chunks}`);
      return { sentAt, arrivals };
    },
    async respond(script, streaming, signal) {
      const messages: Message[] = [{ role: 'user', content: script }];
      for (;;) {
        const message = streaming ? await streamed(messages, signal, () => undefined) : await whole(messages, signal);
        if (!message.tool_calls) return;
        messages.push(message, ...(await Promise.all(message.tool_calls.map((call) => toolOutput(call, signal)))));
      }
    },
    close: () => target.close(),
  };
}
