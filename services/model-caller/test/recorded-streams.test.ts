import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DIALECTS, type Dialect } from '../src/dialect.ts';
import { chunksOf } from '../src/event-stream.ts';
import type { ModelOp } from './operations.ts';
import { RECORDED_CHAT, type Recorded } from './recorded-chat.ts';
import { RECORDED_RESPONSES } from './recorded-responses.ts';

/** What a stream says whose bytes come in these pieces. */
async function read(dialect: Dialect, pieces: Uint8Array[]): Promise<{ ops: ModelOp[]; done: boolean }> {
  const translator = dialect.translator();
  const ops: ModelOp[] = [];
  let done = false;
  const body = (async function* () {
    yield* pieces;
  })();
  const hear = () => {
    done = true;
  };
  for await (const chunk of chunksOf(body, dialect.isLast, hear)) ops.push(...translator.translate(chunk));
  translator.end();
  return { ops, done };
}

/** The bytes in pieces: cut anywhere, in the middle of characters and of line ends too. */
function cut(bytes: Uint8Array, at: number[]): Uint8Array[] {
  const ends = [...at.map((each) => each % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** The same events with other line ends, and with what means nothing in between. */
const dressed = fc.record({
  lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
  noise: fc.array(fc.constantFrom(': keep-alive\n\n', ':\n', 'retry: 3000\n\n', 'id: 7\n', '\n'), { maxLength: 6 }),
});

function dress(stream: string, { lineEnd, noise }: { lineEnd: string; noise: string[] }): string {
  const events = stream.replaceAll('\r\n', '\n').split('\n\n');
  return events
    .map((event, index) => (event === '' ? '' : `${noise[index % (noise.length + 1)] ?? ''}${event}\n\n`))
    .join('')
    .replaceAll('\n', lineEnd);
}

describe.each<[keyof typeof DIALECTS, Recorded[]]>([
  ['chat', RECORDED_CHAT],
  ['responses', RECORDED_RESPONSES],
])('streams of %s', (name, recorded) => {
  const dialect = DIALECTS[name];

  test.each(recorded)('$server', async ({ stream, ops }) => {
    expect((await read(dialect, [Buffer.from(stream)])).ops).toEqual(ops);
  });

  test.each(recorded)('byte by byte: $server', async ({ stream, ops }) => {
    const bytes = Buffer.from(stream);
    const pieces = [...bytes].map((byte) => Uint8Array.of(byte));
    expect((await read(dialect, pieces)).ops).toEqual(ops);
  });

  test('say the same however they are cut, with any line ends and comments', async () => {
    const cuts = fc.array(fc.nat(), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...recorded), cuts, dressed, async ({ stream, ops }, at, clothes) => {
        const pieces = cut(Buffer.from(dress(stream, clothes)), at);
        expect(await read(dialect, pieces)).toEqual({ ops, done: stream.includes('[DONE]') && name === 'chat' });
      }),
      { numRuns: 300 },
    );
  });
});

test('nothing counts after the end', async () => {
  const chat = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\ndata: {"error":"late"}\n\n';
  expect(await read(DIALECTS.chat, [Buffer.from(chat)])).toEqual({ ops: [{ type: 'text', text: 'a' }], done: true });
  const responses = 'data: {"type":"response.completed","response":{}}\n\ndata: {"error":"late"}\n\n';
  const ops = [{ type: 'finish', reason: 'stop' }];
  expect(await read(DIALECTS.responses, [Buffer.from(responses)])).toEqual({ ops, done: false });
});

test('what is no JSON is no chunk', async () => {
  await expect(read(DIALECTS.chat, [Buffer.from('data: {"choices"\n\n')])).rejects.toThrow(SyntaxError);
});
