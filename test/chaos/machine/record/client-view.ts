/** A request for a response's stream. */
export interface ClientAttach {
  /** Milliseconds since the epoch. */
  at: number;
  /** The index of the gateway that was asked. */
  gateway: number;
  /** The number of the last event that the client had seen; -1 for none, and for the request that creates the response. */
  after: number;
}

/** One SSE frame as it was received. */
export interface ClientFrame {
  /** Milliseconds since the epoch. */
  at: number;
  /** The frame's bytes as UTF-8 text, without the empty line that ends it. */
  text: string;
}

/** What one client saw of one stream, pieced together over all its attaches in the order in which it came. */
export interface ClientView {
  /**
   * The first with what the client began with (an `after` of 5 is a client that begins in the middle), each later one with
   * the last number that it had seen by then. A client that begins anew from an earlier event is another view.
   */
  attaches: ClientAttach[];
  /** Whole frames only: of a frame that was cut off nothing is kept. Comments are left out, and so is `[DONE]`. */
  frames: ClientFrame[];
  /** Whether `data: [DONE]` came. */
  done: boolean;
  /** What went wrong on the client's side, in its words; connections that a fault took away are among them. */
  errors: string[];
  /** Whose event names the client asked for; the specification's when it is left out. */
  names?: 'specification' | 'openai';
  /** The client meant to stay until the end, and came back as often as it took: that it did not get there is a violation. */
  toTheEnd?: boolean;
}
