/** The fault machine's own test: each fault does what it says, and its heal leaves everything as it should be. */
import { execFile } from 'node:child_process';
import { connect as connectTcp } from 'node:net';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type Answer, ask, create, faultSuite, type Look, publishTo, type Row, unready } from './fault-suite.ts';
import { withDatabase } from './machine/faults/database.ts';
import { type ChaosSystem, FAULT_KINDS, healthy, inflict, targetsOf, troublesOf } from './machine/faults/index.ts';
import { withJetStream } from './machine/faults/nats.ts';
import { processesOf } from './machine/faults/topology.ts';

const run = promisify(execFile);

const pids = ({ stack }: ChaosSystem) =>
  new Map(stack.processes().map(({ role, index, pid }) => [`${role} ${index}`, pid]));
const gone =
  (name: string): Look =>
  async (system) => {
    await eventually(`${name} has ended`, async () => !pids(system).has(name));
    expect(await troublesOf(system)).toContain(`${name}: no answer`);
    return undefined;
  };
const clockIs = (time: 'created_at' | 'completed_at', hours: number): Look => {
  const isOff = async (system: ChaosSystem, byHours: number) => {
    const ahead = (await ask(system, '!text 1'))[time] - Date.now() / 1_000;
    return Math.abs(ahead - byHours * 3_600) < 60;
  };
  return async (system) => {
    await eventually('the clock is wrong', () => isOff(system, hours));
    return () => eventually('the clock is right', () => isOff(system, 0)).then(() => undefined);
  };
};

async function upstreamStatus(system: ChaosSystem, script: string): Promise<number> {
  const answer = await fetch(`${system.link('model-caller > upstream').url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', stream: true, messages: [{ role: 'user', content: script }] }),
  });
  await answer.text();
  return answer.status;
}

function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

describe('a single NATS', () => {
  const { system, seen } = faultSuite({ cluster: false }, (current, ends) => {
    return [
      [
        'rolling-restart',
        'services',
        async (one) => {
          await eventually('somebody has ended', async () => ends('gateway 0') > 0);
          return async () => {
            const names = processesOf(one.topology).map(({ name }) => name);
            expect(names.map((name) => [name, ends(name)])).toEqual(names.map((name) => [name, 2]));
          };
        },
      ],
      ['process-killed', 'gateway 0', gone('gateway 0')],
      ['process-killed', 'model-caller 0', gone('model-caller 0')],
      [
        'process-frozen',
        'orchestrator 0',
        async () => {
          const pid = pids(current()).get('orchestrator 0');
          const { stdout } = await run('ps', ['-o', 'state=', '-p', String(pid)]);
          expect(stdout.trim()[0]).toBe('T');
          return async () => expect(pids(current()).get('orchestrator 0')).toBe(pid);
        },
      ],
      ['process-terminated', 'tool-runner 0', gone('tool-runner 0')],
      ['clock-forward', 'gateway 0', clockIs('created_at', 1)],
      ['clock-backward', 'orchestrator 0', clockIs('completed_at', -1)],
      [
        'postgres-killed',
        'postgres',
        async (one) => {
          expect(one.infra.postgres.pid).toBeUndefined();
          return unready('orchestrator 0', 'postgres')(one);
        },
      ],
      ['postgres-frozen', 'postgres', unready('gateway 0', 'postgres')],
      [
        'postgres-restarted',
        'postgres',
        async (one) => {
          const { rows } = await withDatabase(one.infra.databaseUrl, (client) =>
            client.query<{ age: number }>(
              'SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float AS age',
            ),
          );
          expect(rows[0]?.age).toBeLessThan(10);
          return undefined;
        },
      ],
      [
        'postgres-exhausted',
        'postgres',
        async (one) => {
          const failure = await withDatabase(one.infra.databaseUrl, (client) => client.query('SELECT 1')).catch(
            sqlState,
          );
          expect(failure).toBe('53300');
          return unready('orchestrator 0', 'postgres')(one);
        },
      ],
      [
        'postgres-read-only',
        'postgres',
        async (one) => {
          const write = () =>
            withDatabase(one.infra.databaseUrl, (client) => client.query('CREATE TABLE written ()')).catch(sqlState);
          expect(await write()).toBe('25006');
          expect(await troublesOf(one)).toEqual(['postgres: refuses to write']);
          return async () => expect(await write()).toMatchObject({ command: 'CREATE' });
        },
      ],
      [
        'nats-killed',
        'nats',
        async (one) => {
          expect(await troublesOf(one)).toContain('nats: does not run');
          return unready('tool-runner 0', 'nats')(one);
        },
      ],
      ['nats-frozen', 'nats', unready('gateway 0', 'nats')],
      [
        'nats-restarted',
        'nats',
        async (one) => {
          const [server] = one.infra.nats;
          const { stdout } = await run('ps', ['-o', 'etimes=', '-p', String(server?.pid)]);
          expect(Number(stdout)).toBeLessThan(5);
          return undefined;
        },
      ],
      ...(['TR_LOG_0', 'TR_CHAIN', 'TR_WORK'] as const).map((stream): Row => {
        const root = stream === 'TR_LOG_0' ? 'tr.log.0' : stream === 'TR_CHAIN' ? 'tr.chain' : 'tr.work';
        return [
          'jetstream-full',
          stream,
          async (one) => {
            expect(await publishTo(one, `${root}.test`)).toBe(10_077);
            return async () => {
              expect(await publishTo(one, `${root}.test`)).toBe('stored');
              await withJetStream(one.infra.natsUrl, async (jsm) => {
                await jsm.streams.purge(stream, { filter: `${root}.test` });
                const { state, config } = await jsm.streams.info(stream, { subjects_filter: `${root}.chaos` });
                expect([state.subjects, config.max_msgs]).toEqual([undefined, -1]);
              });
            };
          },
        ];
      }),
      ['link-half-open', 'gateway 0 > nats', unready('gateway 0', 'nats')],
      ['link-half-open', 'orchestrator 0 > postgres', unready('orchestrator 0', 'postgres')],
      [
        'link-slow',
        'client > gateway 0',
        async (one) => {
          const began = performance.now();
          await (await fetch(`${one.gateways[0]}/healthz`)).text();
          expect(performance.now() - began).toBeGreaterThan(300);
          return undefined;
        },
      ],
      [
        'link-cut',
        'client > gateway 0',
        async (one) => {
          const socket = connectTcp(Number(new URL(one.gateways[0] ?? '').port), '127.0.0.1');
          const code = await new Promise((resolve) => {
            socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
          });
          expect(code).toBe('ECONNRESET');
          return undefined;
        },
      ],
      ['link-refused', 'model-caller 0 > nats', unready('model-caller 0', 'nats')],
      ...(['429', '500'] as const).map(
        (status): Row => [
          `upstream-${status}`,
          'upstream',
          async (one) => {
            expect(await upstreamStatus(one, '!text 2')).toBe(Number(status));
            return async () => expect(await upstreamStatus(one, '!text 2')).toBe(200);
          },
        ],
      ),
      [
        'upstream-hang',
        'upstream',
        async (one) => {
          const answer = upstreamStatus(one, '!text 2');
          void Promise.allSettled([answer]);
          await eventually('the request hangs', async () => one.front('upstream').struck > 2);
          return () => expect(answer).rejects.toThrow(TypeError);
        },
      ],
      [
        'upstream-cut',
        'upstream',
        async (one) => {
          await expect(upstreamStatus(one, '!text 50')).rejects.toThrow(TypeError);
          return undefined;
        },
      ],
      [
        'nats-wiped',
        'nats',
        async (one) => {
          expect(await troublesOf(one)).toContain('nats: does not run');
          return undefined;
        },
      ],
    ];
  });

  test('combined, they are healed together, and recorded', async () => {
    const inflicted = await inflict(system(), [
      { kind: 'process-killed', target: 'orchestrator 0' },
      { kind: 'postgres-killed', target: 'postgres' },
      { kind: 'link-refused', target: 'gateway 0 > nats' },
    ]);
    const records = await inflicted.heal();
    await healthy(system());
    expect(records.map(({ kind, target, from, to }) => [kind, target, to > from])).toEqual([
      ['process-killed', 'orchestrator 0', true],
      ['postgres-killed', 'postgres', true],
      ['link-refused', 'gateway 0 > nats', true],
    ]);
  });

  test('what cannot be injected leaves nothing behind', async () => {
    await expect(
      inflict(system(), [
        { kind: 'link-refused', target: 'gateway 0 > nats' },
        { kind: 'link-refused', target: 'gateway 0 > postgres 7' },
      ]),
    ).rejects.toThrow('gateway 0 > postgres 7');
    await healthy(system());
  });

  test('after all that, the work is done, through the links', async () => {
    // What was wiped is made again within seconds; until then there is a refusal.
    const response = await eventually('a response', async () => {
      const answer = await create(system(), '!call get_time {"city":"Rome"}\n!turn\n!text 5');
      return answer.status === 200 && ((await answer.json()) as Answer);
    });
    expect(response.status).toBe('completed');
    expect(response.output.length).toBe(3);
    for (const name of ['gateway 0 > nats', 'orchestrator 0 > postgres', 'model-caller > upstream']) {
      expect([name, system().link(name).connections > 0]).toEqual([name, true]);
    }
  });

  test('every kind that hits a single NATS has been there', () => {
    const topology = { ...system().topology, isCluster: false };
    expect(seen).toEqual(new Set(FAULT_KINDS.filter((kind) => targetsOf(kind, topology).length > 0)));
  });
});
