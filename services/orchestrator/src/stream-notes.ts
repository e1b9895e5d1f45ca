/**
 * What the installation remembers of the streams that logs are in, so that JetStream is caught having lost something: when each
 * was made, and one message near its end. A stream that was made at another time is a new one. One that ends before that
 * message, or has another one in its place, has been put back to an earlier state, as after a power cut.
 */
import type { Bus } from '@tailrace/bus';
import { DATABASE_TIME, type Tables } from '@tailrace/database';
import { type Kysely, sql } from 'kysely';
import type { StoreContext } from './context.ts';

type Notebook = Pick<StoreContext, 'database'>;

/** A message as a stream has it. */
interface StreamEnd {
  seq: number;
  /** When the server stored it. */
  time: string;
}

/** What is remembered of a stream, as it is written. */
interface StreamNotes {
  made?: string | undefined;
  end?: string | undefined;
  loss?: string | undefined;
}

/** A stream as it is now. */
export interface StreamSight {
  /** When it was made. */
  created: string;
  /** The last message; null while there has been none. */
  end: StreamEnd | null;
  /** What has become of it since it was noted last: nothing, it is another one, or it has lost what came last. */
  state: 'whole' | 'wiped' | 'cut';
  /** What it was compared with. */
  notes: StreamNotes;
}

/** What a stream has lost, and what is still to be taken up again. */
export interface StreamLoss {
  kind: 'wiped' | 'cut';
  /** The stream that is there now. */
  created: string;
  /** Responses that were accepted before that time may be concerned. */
  before: string;
  /** Of a stream that was cut, the sequence with which it ended when that was noticed: what comes later is not lost. */
  after: number;
  /** When the message there was stored, by the server's clock. */
  at: string;
  /** How often it has been taken up without success. */
  rounds: number;
}

const NAMES = {
  made: (stream: string) => `stream ${stream}`,
  end: (stream: string) => `end of ${stream}`,
  loss: (stream: string) => `loss of ${stream}`,
} as const satisfies Record<keyof StreamNotes, (stream: string) => string>;

const KINDS = ['made', 'end', 'loss'] as const satisfies (keyof StreamNotes)[];

/** Looks at a stream, and compares it with what has been noted. */
export async function lookAtStream(context: Notebook & { bus: Bus }, stream: string): Promise<StreamSight> {
  // First: what another process notes while this one looks is later than what this one sees, and no sign of a loss.
  const notes = await readNotes(context.database, stream);
  const { created, state } = await context.bus.jsm.streams.info(stream);
  const end = state.last_seq === 0 ? null : { seq: state.last_seq, time: state.last_ts };
  const sight = { created, end, notes };
  // Without anything to compare it with there is nothing that it could have replaced.
  if (notes.made === undefined) return { ...sight, state: 'whole' };
  if (notes.made !== created) return { ...sight, state: 'wiped' };
  const lost =
    notes.loss !== undefined || (notes.end !== undefined && !(await holds(context.bus, stream, end, notes.end)));
  return { ...sight, state: lost ? 'cut' : 'whole' };
}

/** Whether a stream still has the message that was noted. One that has been removed since is no sign of anything. */
async function holds(bus: Bus, stream: string, end: StreamEnd | null, noted: string): Promise<boolean> {
  const { seq, time } = decodeEnd(noted);
  if (end === null || end.seq < seq) return false;
  if (end.seq === seq) return isSameTime(end.time, time);
  const message = await bus.jsm.streams.getMessage(stream, { seq });
  return message === null || isSameTime(message.timestamp, time);
}

function isSameTime(one: string, other: string): boolean {
  return Date.parse(one) === Date.parse(other);
}

/**
 * Remembers how a stream is now: nothing of it is lost, or everything has been taken up. Not when something else has been
 * noted since it was looked at: that may tell of what has come, and been lost, since.
 */
export async function noteStream(context: Notebook, stream: string, sight: StreamSight): Promise<void> {
  const { created, end, notes } = sight;
  await replaceNotes(context, stream, notes, { made: created, end: end ? `${end.seq} ${end.time}` : undefined });
}

/**
 * Remembers what a stream has lost that is not whole, unless that is remembered already. @returns the loss, and the stream
 * as it was seen with that note; undefined when something else has been noted since it was looked at.
 */
export async function noteLoss(
  context: Notebook,
  stream: string,
  sight: StreamSight,
): Promise<{ loss: StreamLoss; sight: StreamSight } | undefined> {
  const { state, created, notes } = sight;
  if (state === 'whole') throw new Error(`${stream} has lost nothing`);
  const after = state === 'cut' ? (sight.end?.seq ?? 0) : 0;
  const before = notes.loss === undefined ? undefined : decodeLoss(notes.loss);
  // A stream that is cut once more ends before what has been appended since.
  if (before?.kind === state && before.created === created && before.after <= after) return { loss: before, sight };
  const loss: StreamLoss = {
    kind: state,
    created,
    before: state === 'cut' ? await databaseTime(context) : created,
    after,
    at: sight.end?.time ?? created,
    rounds: 0,
  };
  const noted = { ...notes, loss: JSON.stringify(loss) };
  if (!(await replaceNotes(context, stream, notes, noted))) return undefined;
  return { loss, sight: { ...sight, notes: noted } };
}

/** Remembers that a loss could not be taken up as a whole. */
export async function noteRound(
  context: Notebook,
  stream: string,
  { notes }: StreamSight,
  loss: StreamLoss,
): Promise<void> {
  await replaceNotes(context, stream, notes, { ...notes, loss: JSON.stringify({ ...loss, rounds: loss.rounds + 1 }) });
}

function decodeEnd(value: string): StreamEnd {
  const [seq = '', time = ''] = value.split(' ');
  return { seq: Number(seq), time };
}

function decodeLoss(value: string): StreamLoss {
  return JSON.parse(value) as StreamLoss;
}

async function databaseTime({ database }: Notebook): Promise<string> {
  const { rows } = await sql<{ now: Date }>`SELECT ${DATABASE_TIME} AS now`.execute(database);
  const [row] = rows;
  if (!row) throw new Error('the database does not know the time');
  return row.now.toISOString();
}

async function readNotes(database: Kysely<Tables>, stream: string): Promise<StreamNotes> {
  const rows = await database
    .selectFrom('installation')
    .selectAll()
    .where(
      'name',
      'in',
      KINDS.map((kind) => NAMES[kind](stream)),
    )
    .execute();
  const noted = (kind: keyof StreamNotes) => rows.find(({ name }) => name === NAMES[kind](stream))?.value;
  return { made: noted('made'), end: noted('end'), loss: noted('loss') };
}

/** All or nothing, and one process at a time. @returns false when what is noted is not `seen` any more. */
async function replaceNotes(
  { database }: Notebook,
  stream: string,
  seen: StreamNotes,
  notes: StreamNotes,
): Promise<boolean> {
  const changed = KINDS.filter((kind) => notes[kind] !== seen[kind]);
  if (changed.length === 0) return true;
  return database.transaction().execute(async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('stream notes'), hashtext(${stream}))`.execute(tx);
    const now = await readNotes(tx, stream);
    if (KINDS.some((kind) => now[kind] !== seen[kind])) return false;
    for (const kind of changed) {
      const name = NAMES[kind](stream);
      const value = notes[kind];
      if (value === undefined) await tx.deleteFrom('installation').where('name', '=', name).execute();
      else await write(tx, name, value);
    }
    return true;
  });
}

async function write(tx: Kysely<Tables>, name: string, value: string): Promise<void> {
  await tx
    .insertInto('installation')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}
