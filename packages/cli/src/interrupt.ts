const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The wishes to end this process. */
export interface Interrupt {
  /** Aborted at the first wish. */
  readonly signal: AbortSignal;
  /** Takes back the handlers. */
  dispose(): void;
}

/**
 * Listens for SIGINT, SIGTERM, SIGHUP and the death of the parent at the other end of the IPC channel.
 *
 * @param again called for every signal after the first; the parent's death does not count.
 */
export function onInterrupt(again: () => void): Interrupt {
  const controller = new AbortController();
  const first = (why: string) => controller.abort(new Error(why));
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) again();
    else first(signal);
  };
  const onDisconnect = () => first('its parent has died');
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('disconnect', onDisconnect);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      process.off('disconnect', onDisconnect);
    },
  };
}
