/** How slow a wire is. */
export interface Pace {
  readonly bytesPerSecond: number;
  /** How long every byte is on its way at least, in milliseconds. */
  readonly latencyMs: number;
}

/** What a wire does. */
export type ProxyMode =
  /** Everything passes at once. */
  | { readonly kind: 'pass' }
  /** Both directions of every connection swallow all that comes, closings included; new ones are accepted and swallow too. */
  | { readonly kind: 'half-open' }
  /** Everything passes, but slowly. */
  | ({ readonly kind: 'slow' } & Pace)
  /** The connections there are have just been reset; new ones pass. */
  | { readonly kind: 'cut' }
  /** New connections are reset; the ones there are pass. */
  | { readonly kind: 'refuse' };
