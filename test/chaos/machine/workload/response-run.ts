/** One response from its request to its end, with all its clients. */
import type { ResponseRecord } from '../record/index.ts';
import { epochMs, sleep } from './clock.ts';
import { FollowedResponse } from './followed-response.ts';
import { ConnectionFailed, type GatewayRequest, readBody } from './gateway-request.ts';
import type { ResponsePlan } from './plan.ts';
import { ownRequest, ownTarget } from './requests.ts';
import { persist } from './retries.ts';
import { visitAsStranger } from './stranger.ts';
import { followStream } from './stream-client.ts';
import { RunOver, type World } from './world.ts';

const END_POLL_MS = 250;
const END_POLL_LONGEST_MS = 2_000;

/** Runs a response as planned; resolves when it has ended and its clients have gone, or when the run is over. */
export async function runResponse(world: World, plan: ResponsePlan): Promise<ResponseRecord> {
  const response = new FollowedResponse(plan, world.owner);
  const clients = plan.clients.map((client) => followStream(world, response, client));
  const isStreamed = plan.clients.some((client) => client.creates);
  if (!isStreamed) clients.push(untilOver(create(world, response)));
  clients.push(untilOver(actAs(world, response)));
  const ended = await Promise.allSettled(clients);
  for (const client of ended) if (client.status === 'rejected') throw client.reason;
  await untilOver(askAgain(world, response));
  await untilOver(finish(world, response));
  return response.record;
}

/** Reads a response once more. Its answer is the last poll of the record. */
export async function readAgain(world: World, plan: ResponsePlan, record: ResponseRecord): Promise<void> {
  const { id } = record;
  if (id === null) return;
  await untilOver(
    (async () => {
      const { status, text } = await exchange(world, plan, ownRequest(world, 'GET', `/v1/responses/${id}`));
      record.polls.push({ at: epochMs(), status, body: JSON.parse(text) });
    })(),
  );
}

/** The end of the run is no failure of a client. */
async function untilOver(client: Promise<void>): Promise<void> {
  try {
    await client;
  } catch (error) {
    if (!(error instanceof RunOver)) throw error;
  }
}

/** Makes the response by a request without a stream: its answer is the response, as it begins or as it ends. */
async function create(world: World, response: FollowedResponse): Promise<void> {
  const { plan } = response;
  try {
    for (;;) {
      const target = { ...ownTarget(world, plan), onAttempt: response.tried.bind(response) };
      const { answer } = await persist(target, () => response.creation(world));
      const text = await bodyOf(world, answer);
      if (text === undefined) continue;
      if (answer.status === 200) response.accept(idOf(text));
      response.polled(answer.status, text);
      return;
    }
  } finally {
    response.giveUp();
  }
}

/** A client that never looked at what it was sent has not been told an id: whoever asks again in its place is. */
async function askAgain(world: World, response: FollowedResponse): Promise<void> {
  const creator = response.plan.clients.find((client) => client.creates);
  if (response.record.id !== null || creator?.reading.how !== 'never') return;
  await followStream(world, response, { ...creator, reading: { how: 'to the end' } });
}

/** What happens to the response beside those who follow it. */
async function actAs(world: World, response: FollowedResponse): Promise<void> {
  const id = await response.accepted;
  if (id === undefined) return;
  const { plan } = response;
  await Promise.all([
    plan.pollEveryMs === undefined ? undefined : pollUntilEnded(world, response, id, plan.pollEveryMs),
    plan.cancelAfterMs === undefined ? undefined : cancel(world, response, id, plan.cancelAfterMs),
    plan.strangerAfterMs === undefined ? undefined : visitAsStranger(world, response, id, plan.strangerAfterMs),
  ]);
}

async function pollUntilEnded(
  world: World,
  response: FollowedResponse,
  id: string,
  everyMs: number,
  longestMs = everyMs,
): Promise<void> {
  for (let pause = everyMs; ; pause = Math.min(longestMs, pause * 2)) {
    const { status, text } = await exchange(world, response.plan, ownRequest(world, 'GET', `/v1/responses/${id}`));
    if (response.polled(status, text) || status !== 200) return;
    await sleep(pause, world.signal);
  }
}

async function cancel(world: World, response: FollowedResponse, id: string, afterMs: number): Promise<void> {
  await sleep(afterMs, world.signal);
  const asks = ownRequest(world, 'POST', `/v1/responses/${id}/cancel`);
  const { status } = await exchange(world, response.plan, asks);
  if (status === 200) response.record.cancelledAt = epochMs();
}

/** Waits for the end that no client has waited for, and deletes what is to be deleted. */
async function finish(world: World, response: FollowedResponse): Promise<void> {
  const { plan, record } = response;
  const { id } = record;
  if (id === null) return;
  if (record.endedAt === undefined) await pollUntilEnded(world, response, id, END_POLL_MS, END_POLL_LONGEST_MS);
  if (!plan.deletes) return;
  record.deletedAt = epochMs();
  await exchange(world, plan, ownRequest(world, 'DELETE', `/v1/responses/${id}`));
  const { status, text } = await exchange(world, plan, ownRequest(world, 'GET', `/v1/responses/${id}`));
  response.polled(status, text);
}

/** A request and its whole answer, however often it has to be sent for that. */
async function exchange(
  world: World,
  plan: ResponsePlan,
  asks: GatewayRequest,
): Promise<{ status: number; text: string }> {
  for (;;) {
    const { answer } = await persist({ ...ownTarget(world, plan), headMs: world.headMs }, asks);
    const text = await bodyOf(world, answer);
    if (text !== undefined) return { status: answer.status, text };
  }
}

/** The body; undefined when the connection broke in the midst of it. */
async function bodyOf(world: World, answer: Parameters<typeof readBody>[0]): Promise<string | undefined> {
  try {
    return await readBody(answer, world.idleMs, world.signal);
  } catch (error) {
    if (error instanceof ConnectionFailed) return undefined;
    throw error;
  }
}

function idOf(text: string): string {
  const { id } = JSON.parse(text) as { id?: unknown };
  if (typeof id !== 'string') throw new Error(`a response without an id: ${text.slice(0, 200)}`);
  return id;
}
