/** Where the next page of a list of groups begins, as a text that clients hand back as it is. */
import type { GroupPlace } from '@tailrace/database';
import { z } from 'zod';

const place = z.tuple([z.number().nullable(), z.array(z.string().nullable())]);

/** The token of the page after a group. */
export function pageToken({ slice, values }: GroupPlace): string {
  return Buffer.from(JSON.stringify([slice?.getTime() ?? null, values])).toString('base64url');
}

/** The place that a token names, in a list whose groups have so many values; undefined for what is no such token. */
export function placeOf(token: string, values: number): GroupPlace | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const read = place.safeParse(json);
  if (!read.success || read.data[1].length !== values) return undefined;
  const [slice, texts] = read.data;
  const at = slice === null ? null : new Date(slice);
  return Number.isNaN(at?.getTime()) ? undefined : { slice: at, values: texts };
}
