/**
 * What the installation remembers of the streams that logs are in, so that JetStream is caught having lost something: when each
 * was made, and one message near its end. A stream that was made at another time is a new one. One that ends before that
 * message, or has another one in its place, has been put back to an earlier state, as after a power cut.
 */
import type { Bus } from '@tailrace/bus';
import { DATABASE_TIME } from '@tailrace/database';
import { sql } from 'kysely';
import type { StoreContext } from './context.ts';

type Notebook = Pick<StoreContext, 'database'>;

/** A message as a stream has it. */
interface StreamEnd {
  seq: number;
  /** When the server stored it. */
  time: string;
}

/** A stream as it is now. */
export interface StreamSight {
  /** When it was made. */
  created: string;
  /** The last message; null while there has been none. */
  end: StreamEnd | null;
  /** What has become of it since it was noted last: nothing, it is another one, or it has lost what came last. */
  state: 'whole' | 'wiped' | 'cut';
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

const madeOf = (stream: string) => `stream ${stream}`;
const endOf = (stream: string) => `end of ${stream}`;
const lossOf = (stream: string) => `loss of ${stream}`;

/** Looks at a stream, and compares it with what has been noted. */
export async function lookAtStream(context: Notebook & { bus: Bus }, stream: string): Promise<StreamSight> {
  const { created, state } = await context.bus.jsm.streams.info(stream);
  const end = state.last_seq === 0 ? null : { seq: state.last_seq, time: state.last_ts };
  const sight = { created, end };
  const made = await read(context, madeOf(stream));
  // Without anything to compare it with there is nothing that it could have replaced.
  if (made === undefined) return { ...sight, state: 'whole' };
  if (made !== created) return { ...sight, state: 'wiped' };
  const noted = await read(context, endOf(stream));
  const lost = (await read(context, lossOf(stream))) ?? (noted && !(await holds(context.bus, stream, end, noted)));
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

/** Remembers how a stream is now: nothing of it is lost, or everything has been taken up. */
export async function noteStream(context: Notebook, stream: string, { created, end }: StreamSight): Promise<void> {
  await write(context, madeOf(stream), created);
  if (end === null) await forget(context, endOf(stream));
  else await write(context, endOf(stream), `${end.seq} ${end.time}`);
  await forget(context, lossOf(stream));
}

/** What a stream has lost that is not whole: as it was noted before, or noted now. */
export async function noteLoss(context: Notebook, stream: string, sight: StreamSight): Promise<StreamLoss> {
  const { state, created } = sight;
  if (state === 'whole') throw new Error(`${stream} has lost nothing`);
  const after = state === 'cut' ? (sight.end?.seq ?? 0) : 0;
  const noted = await read(context, lossOf(stream));
  const before = noted === undefined ? undefined : decodeLoss(noted);
  // A stream that is cut once more ends before what has been appended since.
  if (before?.kind === state && before.created === created && before.after <= after) return before;
  const loss = {
    kind: state,
    created,
    before: state === 'cut' ? await databaseTime(context) : created,
    after,
    at: sight.end?.time ?? created,
    rounds: 0,
  };
  await write(context, lossOf(stream), JSON.stringify(loss));
  return loss;
}

/** Remembers that a loss could not be taken up as a whole. */
export async function noteRound(context: Notebook, stream: string, loss: StreamLoss): Promise<void> {
  await write(context, lossOf(stream), JSON.stringify({ ...loss, rounds: loss.rounds + 1 }));
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

async function read({ database }: Notebook, name: string): Promise<string | undefined> {
  const row = await database.selectFrom('installation').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value;
}

async function forget({ database }: Notebook, name: string): Promise<void> {
  await database.deleteFrom('installation').where('name', '=', name).execute();
}

async function write({ database }: Notebook, name: string, value: string): Promise<void> {
  await database
    .insertInto('installation')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }).where('installation.value', '<>', value))
    .execute();
}
