/** How a call ended; `hang` from the moment it hangs. */
export type Ending = 'complete' | 'aborted' | 'cut' | 'hang' | 'error';

/**
 * One request that the demo model or one of its tools received, as its `GET /_calls` tells it (fields that nobody judges
 * are left out). Times are milliseconds since the epoch.
 */
export interface Call {
  kind: 'model' | 'tool';
  /** The endpoint (`chat.completions`, `responses`), or the tool's name. */
  name: string;
  at: number;
  /** Of a tool's call the id of its step. */
  idempotency_key: string | null;
  /** The id that its worker has given it: its row in the analytics has it, too. */
  client_request_id: string | null;
  /** Of a model's call: messages, or items, in the request. It tells the steps of one response apart. */
  messages_count: number | null;
  /** The beginning of the last user message's text: it holds the response's marker. */
  text: string | null;
  /** Null while it runs. */
  ended: Ending | null;
  /** When the answer was out or the connection gone; null before. */
  closed_at: number | null;
}
