/** The questions that orchestrators answer: so many at once, whatever Postgres does. */
import {
  ADMIT_SUBJECT,
  type AdmitAnswer,
  type AdmitQuestion,
  decodeMessage,
  encodeMessage,
  OrchestratorClient,
  RELEASE_SUBJECT,
  STEP_SUBJECT,
  type StepAnswer,
} from '@tailrace/bus';
import { newId } from '@tailrace/protocol';
import { createLogger } from '@tailrace/service';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type TestNats, testNats } from '../../../../packages/log/test/nats.ts';
import type { OrchestratorContext } from '../../src/context.ts';
import { createResponse } from '../../src/create-response.ts';
import { openAdmissionDesk } from '../../src/limits/admission-desk.ts';
import { answerAboutSteps } from '../../src/step-answers.ts';
import { createCommand, type LimitedDatabase, limitedDatabase, scopeLimits } from './limited-database.ts';

const MOST = 3;
const MINUTE_MS = 60_000;

let nats: TestNats;
let limited: LimitedDatabase;
let context: OrchestratorContext;
let client: OrchestratorClient;
/** Holds locks, so that what asks for them has to wait. */
let holder: pg.Client;
beforeAll(async () => {
  [nats, limited] = await Promise.all([testNats(), limitedDatabase()]);
  const log = createLogger('test', 'silent');
  context = { ...limited.context, bus: nats.bus, log, partitions: 1 };
  client = new OrchestratorClient({ bus: nats.bus, partitions: 1, timeoutMs: 20_000 });
  holder = new pg.Client({ connectionString: limited.url });
  await holder.connect();
});
afterAll(async () => {
  await holder.end();
  await Promise.all([nats.stop(), limited.stop()]);
});

const stopping: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await holder.query('ROLLBACK');
  for (const desk of stopping.splice(0)) await desk.stop();
});

let scope: string;
beforeEach(() => {
  scope = `key:${newId(Date.now())}`;
});

const question = (lease = true) => ({
  id: newId(Date.now()),
  model: 'small',
  limits: [scopeLimits(scope, { requestsPerMinute: 100, concurrency: 100 })],
  lease,
});
const asking = () => ({ askedAt: Date.now(), waitMs: MINUTE_MS, replyTo: 'nobody' });
const bytesOf = (lease?: boolean) => encodeMessage({ ...question(lease), ...asking() } satisfies AdmitQuestion);
const openDesk = async () => {
  stopping.push(openAdmissionDesk(context, { leaseMs: MINUTE_MS, most: MOST }));
  await nats.bus.nc.flush();
};

async function hold(statement: string, values: string[]): Promise<void> {
  await holder.query('BEGIN');
  await holder.query(statement, values);
}

describe('questions about limits', () => {
  test('are answered so many at once; one more is refused at once, and counts for nothing', async () => {
    await openDesk();
    await client.admit(question());
    await hold('SELECT FROM limit_buckets WHERE scope = $1 FOR UPDATE', [scope]);
    const waiting = Array.from({ length: MOST }, () => client.admit(question()));
    await expect(client.admit(question())).rejects.toMatchObject({ code: 'overloaded', status: 503, retryAfter: 1 });
    await holder.query('COMMIT');
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => ({ leased: true })));
    await client.admit(question());
    expect(await limited.rows(`SELECT requests_used FROM limit_buckets WHERE scope = '${scope}'`)).toMatchObject([
      { requests_used: expect.toSatisfy((used) => used > MOST + 1 && used <= MOST + 2) },
    ]);
  });

  test('are answered while somebody waits, whatever the clock of whoever asks says, and not for nobody', async () => {
    await openDesk();
    const ask = (replyTo: string) =>
      nats.bus.nc.request(
        ADMIT_SUBJECT,
        encodeMessage({ ...question(), ...asking(), askedAt: Date.now() - 60 * MINUTE_MS, replyTo }),
        { timeout: 2_500 },
      );
    const waits = nats.bus.nc.subscribe('waits', {
      callback: (_error, message) => void message.respond(encodeMessage({ waiting: true })),
    });
    const { data } = await ask('waits');
    expect(decodeMessage<AdmitAnswer>('', data)).toMatchObject({ admitted: true, leased: true });
    await expect(ask('gone')).rejects.toThrow();
    expect(await limited.rows(`SELECT requests_used FROM limit_buckets WHERE scope = '${scope}'`)).toMatchObject([
      { requests_used: 1 },
    ]);
    waits.unsubscribe();
  });

  test('that cannot be read stay open, and make room for others', async () => {
    await openDesk();
    for (let each = 0; each <= MOST; each += 1) nats.bus.nc.publish(ADMIT_SUBJECT, 'no JSON');
    nats.bus.nc.publish(RELEASE_SUBJECT, 'no JSON');
    await nats.bus.nc.flush();
    expect(await client.admit(question())).toMatchObject({ leased: true });
  });

  test('are answered before their desk is closed', async () => {
    await openDesk();
    await client.admit(question());
    await hold('SELECT FROM limit_buckets WHERE scope = $1 FOR UPDATE', [scope]);
    const asked = nats.bus.nc.request(ADMIT_SUBJECT, bytesOf(false), { timeout: 20_000 });
    await nats.bus.nc.flush();
    const stopped = stopping.pop()?.stop();
    await holder.query('COMMIT');
    const { data } = await asked;
    await stopped;
    expect(decodeMessage<AdmitAnswer>(ADMIT_SUBJECT, data)).toMatchObject({ admitted: true });
  });
});

describe('calls that are over', () => {
  const underWay = async () =>
    (await limited.rows(`SELECT FROM limit_leases WHERE scope = '${scope}' AND expires_at > now()`)).length;

  test('are released together while a statement waits, up to a bound', async () => {
    await openDesk();
    const calls = Array.from({ length: MOST + 2 }, () => question());
    for (const call of calls) await client.admit(call);
    await hold('SELECT FROM limit_leases WHERE scope = $1 FOR UPDATE', [scope]);
    limited.statements.length = 0;
    client.release(calls[0]?.id ?? '');
    await expect.poll(() => blocked()).toBe(1);
    // The next ones wait for that, and the last one is beyond what may wait.
    for (const { id } of calls.slice(1)) client.release(id);
    await nats.bus.nc.flush();
    await holder.query('COMMIT');
    await stopping.pop()?.stop();
    expect(await underWay()).toBe(1);
    expect(limited.statements.filter((statement) => statement.startsWith('update "limit_leases"'))).toHaveLength(2);
  });

  async function blocked(): Promise<number> {
    const rows = await limited.rows(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rows.length;
  }
});

describe('questions about steps', () => {
  test('are answered so many at once; one more stays open, and can be asked again', async () => {
    const created = await createResponse(limited.context, createCommand([]));
    const [stepId, responseId] = [created?.added[0]?.id ?? '', created?.record.id ?? ''];
    const steps = answerAboutSteps(context, MOST);
    stopping.push(steps);
    await nats.bus.nc.flush();
    await hold('SELECT FROM responses WHERE id = $1 FOR UPDATE', [responseId]);
    const ask = (begins: number | null, timeout: number) =>
      nats.bus.nc.request(STEP_SUBJECT, encodeMessage({ responseId, stepId, begins, startedAt: 0, once: false }), {
        timeout,
      });
    const waiting = Array.from({ length: MOST }, (_, at) => ask(at + 1, 20_000));
    await expect.poll(() => steps.open).toBe(MOST);
    await expect(ask(null, 200)).rejects.toMatchObject({ name: 'TimeoutError' });
    await holder.query('COMMIT');
    await Promise.all(waiting);
    const { data } = await ask(null, 20_000);
    expect(decodeMessage<StepAnswer>(STEP_SUBJECT, data)).toEqual({ begun: false, ended: false });
  });
});
