/** Sources as both dialects tell them, in the form of the API. */
import type { Annotation } from '@tailrace/protocol';
import { z } from 'zod';

const citation = z.object({
  url: z.string(),
  title: z.string().nullish(),
  start_index: z.number().nullish(),
  end_index: z.number().nullish(),
});

/** A URL citation from its fields; undefined for what is none. */
export function toCitation(value: unknown): Annotation | undefined {
  const result = citation.safeParse(value);
  if (!result.success) return undefined;
  const { url, title, start_index, end_index } = result.data;
  const start = Math.trunc(start_index ?? 0);
  const end = Math.trunc(end_index ?? start);
  return { type: 'url_citation', url, start_index: start, end_index: end, title: title ?? '' };
}
