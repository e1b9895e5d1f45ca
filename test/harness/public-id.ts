import { parseResponseId } from '@tailrace/protocol';

/** The identity behind a public response id, as the database knows it. */
export function uuidOf(publicId: string): string {
  const id = parseResponseId(publicId);
  if (!id) throw new Error(`${publicId} is not the id of a response`);
  return id;
}
