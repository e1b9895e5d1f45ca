/** The memory of a service's process at one moment. */
export interface MemorySample {
  pid: number;
  /** As in `run.json`: `gateway`, `orchestrator`, `model-caller`, `tool-runner`. */
  role: string;
  /** Milliseconds since the epoch. */
  at: number;
  /** Resident bytes. */
  rss: number;
  /** Clients that are connected to the process, where that is known. */
  connections?: number;
}
