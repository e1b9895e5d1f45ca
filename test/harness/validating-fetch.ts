import type { Tap, WireChecks } from './wire-checks.ts';

/** What a client may take in place of the global `fetch`. */
export type Fetch = typeof globalThis.fetch;

/** A `fetch` that judges what it returns; see {@link validatingFetch}. */
export interface ValidatingFetch {
  fetch: Fetch;
  /** Resolves when every body that is judged whole has been. */
  settled(): Promise<void>;
}

/**
 * `baseFetch`, with everything that comes through it judged. The client sees the same bytes at the same time: streams pass
 * through at its own pace, other bodies are read a second time.
 */
export function validatingFetch(baseFetch: Fetch, checks: WireChecks): ValidatingFetch {
  const open = new Set<Promise<void>>();
  return {
    async settled() {
      await Promise.all(open);
    },
    async fetch(input, init) {
      const asked = input instanceof Request ? input : undefined;
      const url = new URL(asked?.url ?? String(input));
      const headers = new Headers(init?.headers ?? asked?.headers);
      const method = (init?.method ?? asked?.method ?? 'GET').toUpperCase();
      checks.sent(url.pathname, headers.get('authorization'), await textSent(init?.body ?? asked?.clone()));
      const response = await baseFetch(input, init);
      const request = { method, url, header: (name: string) => headers.get(name) };
      const tap = checks.tap(request, response);
      if (!response.body) return response;
      if (tap.streams) return throughTap(response, response.body, tap);
      const judged = readInto(response.clone(), tap).finally(() => open.delete(judged));
      open.add(judged);
      return response;
    },
  };
}

/** The body of a request; one that cannot be read twice is nobody's but the server's. */
async function textSent(body: RequestInit['body'] | Request): Promise<string> {
  if (typeof body === 'string') return body;
  if (body instanceof Request) return body.text();
  return body instanceof Uint8Array ? Buffer.from(body).toString() : '';
}

type Passing = Pick<Tap, 'chunk' | 'end'>;

function throughTap(response: Response, body: NonNullable<Response['body']>, tap: Passing): Response {
  const passing = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      tap.chunk(bytes);
      controller.enqueue(bytes);
    },
    flush: () => tap.end(),
  });
  const { status, statusText, headers, url } = response;
  const passed = new Response(body.pipeThrough(passing), { status, statusText, headers });
  Object.defineProperty(passed, 'url', { value: url });
  return passed;
}

/** A body that breaks off is the client's to notice: it is judged as far as it came, and has no end. */
async function readInto(copy: Response, tap: Passing): Promise<void> {
  const reader = copy.body?.getReader();
  const next = () =>
    reader?.read().then(
      (piece) => piece,
      () => undefined,
    );
  for (let piece = await next(); piece; piece = await next()) {
    if (piece.done) return tap.end();
    tap.chunk(piece.value);
  }
}
