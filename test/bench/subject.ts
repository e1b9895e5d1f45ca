/** The two that are compared, behind one face: the demo model itself, and Tailrace in front of it. */

/** What a client saw of a stream. Times are milliseconds since the epoch. */
export interface TimedStream {
  sentAt: number;
  /** When each piece of the answer's text arrived. */
  arrivals: number[];
}

/** A server that answers scripts of the demo model. Every method rejects when an answer is an error or not whole. */
export interface Subject {
  name: 'demo model' | 'Tailrace';
  /** One streamed answer without tools, of so many chunks of text. */
  stream(script: string, chunks: number, signal: AbortSignal): Promise<TimedStream>;
  /** A whole response: models and tools called in turn until the model has its last word. */
  respond(script: string, streaming: boolean, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
