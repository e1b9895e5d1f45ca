import { Pool } from 'undici';

/** A server under load: a pool of connections that are kept open. */
export class HttpTarget {
  readonly #pool: Pool;
  readonly #headers: Record<string, string>;

  /** `origin` without a path; `connections` is the most requests at once. */
  constructor(origin: string, connections: number, apiKey: string) {
    this.#pool = new Pool(origin, { connections, pipelining: 1, keepAliveTimeout: 60_000, bodyTimeout: 30_000 });
    this.#headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` };
  }

  /**
   * POSTs JSON and resolves with the body of the answer, not read yet.
   * @throws Error for any status but 200.
   */
  async post(path: string, body: unknown, signal: AbortSignal) {
    const answer = await this.#pool.request({
      method: 'POST',
      path,
      headers: this.#headers,
      body: JSON.stringify(body),
      signal,
    });
    if (answer.statusCode === 200) return answer.body;
    throw new Error(`${path}: ${answer.statusCode} ${(await answer.body.text()).slice(0, 300)}`);
  }

  /** Closes every connection. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
