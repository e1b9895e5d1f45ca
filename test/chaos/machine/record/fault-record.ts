/** A fault that was injected. */
export interface FaultRecord {
  kind: string;
  /** What it hit, in words that a person finds: a role and index, a pair of parts, a server. */
  target: string;
  /** When its injection began; milliseconds since the epoch, as `to`. */
  from: number;
  /** When it had been healed. */
  to: number;
  /**
   * Which logs it takes from JetStream: all of them (a wiped data directory), or those of certain responses (public ids; a
   * purge, an expiry). Only after such a fault may event numbers jump. Left out: none.
   */
  takesLogs?: 'all' | readonly string[];
}
