/** The admin API over HTTP. */

/** Where the admin API is, and the operator's key. */
export interface AdminTarget {
  /** Base address of a gateway, without `/v1`. */
  url: string;
  adminKey: string;
}

/** A request that was refused, in the server's own words. */
export class AdminRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'AdminRefusal';
    this.status = status;
  }
}

/** No gateway answers. */
export class Unreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`No gateway answers at ${url}.`, { cause });
    this.name = 'Unreachable';
  }
}

const ANSWER_MS = 30_000;

/**
 * Asks the admin API.
 * @param path below `/admin/v1`.
 * @returns the answer's body.
 * @throws AdminRefusal; Unreachable
 */
export async function askAdmin<T>(target: AdminTarget, method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`${target.url.replace(/\/+$/, '')}/admin/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${target.adminKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (error) {
    throw new Unreachable(target.url, error);
  }
  const text = await answer.text();
  if (!answer.ok) throw new AdminRefusal(answer.status, refusalOf(answer.status, text));
  return JSON.parse(text) as T;
}

function refusalOf(status: number, text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `The server answered ${status}. Is it a gateway of Tailrace?`;
}
