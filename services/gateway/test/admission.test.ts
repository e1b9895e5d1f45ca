import type { AdmitQuestion } from '@tailrace/bus';
import { RegistryView } from '@tailrace/registry';
import { registeredKey, registrySnapshot, UNLIMITED } from '@tailrace/registry/fixtures';
import { describe, expect, test } from 'vitest';
import { admit, countRequest, release } from '../src/admission.ts';
import type { GatewayContext } from '../src/context.ts';
import { RequestLimits } from '../src/request-limits.ts';

const CALL = { id: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b', model: 'small' };
const limited = registeredKey('alice', 'tr-alice', { limits: { ...UNLIMITED, concurrency: 2 } });
const unlimited = registeredKey('bob', 'tr-bob');

/** What an orchestrator would be told, and answers. */
function orchestratorThat(leased: boolean) {
  const asked: unknown[] = [];
  const released: string[] = [];
  const view = new RegistryView(registrySnapshot());
  const context = {
    limits: new RequestLimits({ registry: { current: () => view }, requestsPerMinute: 0 }),
    orchestrator: {
      async admit(question: AdmitQuestion) {
        asked.push(question);
        return { leased, rateLimit: { requests: { limit: 9, remaining: 8, resetMs: 10 }, tokens: null } };
      },
      release: (id: string) => released.push(id),
    },
  } as unknown as GatewayContext;
  return { asked, released, context };
}

describe('a call', () => {
  test('of a limited key is asked about, and released', async () => {
    const { asked, released, context } = orchestratorThat(true);
    const admission = await admit(context, limited, CALL);
    expect(admission).toEqual({
      leaseId: CALL.id,
      headers: {
        'x-ratelimit-limit-requests': '9',
        'x-ratelimit-remaining-requests': '8',
        'x-ratelimit-reset-requests': '10ms',
      },
    });
    expect(asked).toEqual([{ ...CALL, lease: true, limits: [{ scope: 'key:alice', ...UNLIMITED, concurrency: 2 }] }]);
    release(context, admission);
    expect(released).toEqual([CALL.id]);
  });

  test('without an end that matters is not released', async () => {
    const { released, context } = orchestratorThat(false);
    const admission = await admit(context, limited, CALL);
    expect(admission.leaseId).toBeNull();
    release(context, admission);
    expect(released).toEqual([]);
  });

  test('of another key is not even asked about', async () => {
    const { asked, released, context } = orchestratorThat(true);
    const admission = await admit(context, unlimited, CALL);
    expect(admission).toEqual({ headers: {}, leaseId: null });
    release(context, admission);
    expect([...asked, ...released]).toEqual([]);
  });
});

test('a request that is over with its answer holds nothing', async () => {
  const { asked, context } = orchestratorThat(false);
  expect(await countRequest(context, limited, CALL)).toHaveProperty('x-ratelimit-limit-requests', '9');
  expect(asked).toMatchObject([{ lease: false }]);
});
