/**
 * Why there is no answer. `bad_url`: no http(s) address, or one with a user name or password. `forbidden_address`: the host
 * is not at an address that a request may name. `timeout`: the connection, or everything together, took too long.
 * `unreachable`: no address, no connection, no TLS, or no whole HTTP answer.
 */
export type GuardedFetchErrorCode =
  | 'bad_url'
  | 'forbidden_address'
  | 'too_many_redirects'
  | 'too_large'
  | 'timeout'
  | 'unreachable';

/** A request that was not sent, or got no answer. Its message names hosts and never addresses: it may be told to clients. */
export class GuardedFetchError extends Error {
  readonly code: GuardedFetchErrorCode;

  constructor(code: GuardedFetchErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'GuardedFetchError';
    this.code = code;
  }
}
