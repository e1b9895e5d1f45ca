/** Work that one process at a time does, and that another one takes up when that process is killed. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { StoreContext } from './context.ts';

/** A lease that this process has. */
export interface Lease {
  /** Makes it last on from now. @returns false when it has run out, and another process has it. */
  renew(): Promise<boolean>;
  /** Gives it back. */
  release(): Promise<void>;
}

/** Takes a lease for so many milliseconds, by the database's clock; undefined while another process has it. */
export async function takeLease(
  { database }: Pick<StoreContext, 'database'>,
  name: string,
  forMs: number,
): Promise<Lease | undefined> {
  const key = `lease of ${name}`;
  const holder = randomUUID();
  // Its end in seconds since the epoch, and who has it.
  const value = sql<string>`extract(epoch FROM now() + ${forMs} * interval '1 millisecond') || ' ' || ${holder}::text`;
  const isMine = sql<boolean>`split_part(installation.value, ' ', 2) = ${holder}`;
  const isOver = sql<boolean>`split_part(installation.value, ' ', 1)::numeric < extract(epoch FROM now())`;
  const taken = await database
    .insertInto('installation')
    .values({ name: key, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }).where(isOver))
    .returning('name')
    .executeTakeFirst();
  if (!taken) return undefined;
  return {
    async renew() {
      const row = await database
        .updateTable('installation')
        .set({ value })
        .where('name', '=', key)
        .where(isMine)
        .returning('name')
        .executeTakeFirst();
      return row !== undefined;
    },
    async release() {
      await database.deleteFrom('installation').where('name', '=', key).where(isMine).execute();
    },
  };
}
