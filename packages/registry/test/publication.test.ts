import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus } from '@tailrace/bus';
import { startNats } from '@tailrace/infra';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { registeredHttpTool, registeredKey, registrySnapshot } from '../src/fixtures.ts';
import { publishRegistry, type RegistrySnapshot, type RegistryWatch, watchRegistry } from '../src/index.ts';
import { MANIFEST, openBucket } from '../src/publication.ts';

const STREAM = 'KV_TR_REGISTRY';

let dir: string;
let nats: Awaited<ReturnType<typeof startNats>>;
let bus: Bus;
let other: Bus;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-registry-'));
  nats = await startNats({ dir, log: () => undefined });
  bus = await connectBus({ url: nats.url, name: 'test' });
  other = await connectBus({ url: nats.url, name: 'other' });
});
afterAll(async () => {
  await Promise.all([bus.close(), other.close()]);
  await nats.stop();
  await rm(dir, { recursive: true });
});

const watches: RegistryWatch[] = [];
const errors: unknown[] = [];
async function watch(on = other): Promise<RegistryWatch> {
  const made = await watchRegistry(on, (error) => errors.push(error));
  watches.push(made);
  return made;
}
beforeEach(async () => {
  await openBucket(bus);
  await bus.jsm.streams.delete(STREAM);
});
afterEach(() => {
  for (const made of watches.splice(0)) made.close();
  expect(errors.splice(0)).toEqual([]);
});

const ID = '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b';
const keysOf = (count: number, groups = ['everyone']) =>
  Array.from({ length: count }, (_, index) => registeredKey(`key-${index}`, `tr-secret-${index}`, { groups }));
const state = (version: number, snapshot: RegistrySnapshot, id = ID) => ({ id, version, snapshot });
const small = registrySnapshot({ keys: keysOf(1) });

async function arrives(on: RegistryWatch, secret: string) {
  return eventually(`the key ${secret} arrives`, async () => {
    const key = on.current()?.key(secret, 0);
    return key === undefined || key === 'expired' ? undefined : key;
  });
}

async function partCount(): Promise<number> {
  const { state } = await bus.jsm.streams.info(STREAM, { subjects_filter: '$KV.TR_REGISTRY.part.>' });
  return Object.keys(state.subjects ?? {}).length;
}

describe('a snapshot', () => {
  test('reaches those who watch already, and those who come later', async () => {
    const before = await watch();
    expect(before.current()).toBeUndefined();
    const heard: number[] = [];
    before.onChange((view) => heard.push(view.models.size));
    expect(await publishRegistry(bus, state(1, small))).toBe(true);
    await arrives(before, 'tr-secret-0');
    await arrives(await watch(), 'tr-secret-0');
    expect(heard).toEqual([0]);
  });

  test('is published once, and again when the tables were changed by hand', async () => {
    expect(await publishRegistry(bus, state(1, small))).toBe(true);
    expect(await publishRegistry(other, state(1, small))).toBe(false);
    expect(await publishRegistry(other, state(1, registrySnapshot()))).toBe(true);
  });

  test('that was read earlier does not take the place of a later one', async () => {
    await publishRegistry(bus, state(7, small));
    expect(await publishRegistry(other, state(6, registrySnapshot()))).toBe(false);
    await arrives(await watch(), 'tr-secret-0');
  });

  test('of another database takes its place', async () => {
    await publishRegistry(bus, state(7, registrySnapshot()));
    expect(await publishRegistry(bus, state(1, small, '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6c'))).toBe(true);
    await arrives(await watch(), 'tr-secret-0');
  });
});

describe('a snapshot that no message holds', () => {
  const LARGE = 4_000;

  test('arrives whole: beyond what the server takes at once', async () => {
    const description = 'é'.repeat(11_000);
    const tools = Array.from({ length: 800 }, (_, index) => registeredHttpTool(`tool-${index}`, { description }));
    const snapshot = registrySnapshot({ keys: keysOf(LARGE), tools });
    expect(JSON.stringify(snapshot).length).toBeGreaterThan(bus.nc.info?.max_payload ?? 0);
    const watching = await watch();
    await publishRegistry(bus, state(1, snapshot));
    await arrives(watching, `tr-secret-${LARGE - 1}`);
    expect(watching.current()?.tools.get('tool-799')).toEqual(tools[799]);
    expect(await partCount()).toBeGreaterThan(1);
  });

  const options = { maxBytes: 700 };

  test('leaves no parts behind when another one follows', async () => {
    const watching = await watch();
    for (let version = 1; version <= 5; version += 1) {
      const keys = keysOf(9).slice(0, 4 + version);
      await publishRegistry(bus, state(version, registrySnapshot({ keys })), options);
      await arrives(watching, `tr-secret-${3 + version}`);
    }
    const parts = await partCount();
    expect(parts).toBeGreaterThan(2);
    expect(parts).toBeLessThan(6);
    await publishRegistry(bus, state(6, small), { maxBytes: 10_000 });
    expect(await partCount()).toBe(0);
  });

  test('removes what a publisher that died has left, once that is old', async () => {
    const bucket = await openBucket(bus);
    await bucket.put('part.1000-dead.0', 'x');
    const busy = `part.${Date.now()}-busy.0`;
    await bucket.put(busy, 'x');
    await publishRegistry(bus, state(1, registrySnapshot({ keys: keysOf(4) })), options);
    expect(await bucket.get('part.1000-dead.0')).toBeNull();
    expect(await bucket.get(busy)).not.toBeNull();
  });

  test('published by several at once, the newest is in force for all, whole', async () => {
    const watching = await watch();
    const versions = Array.from({ length: 12 }, (_, index) => index + 1);
    await Promise.all(
      versions.map((version) => {
        const keys = keysOf(6, [`group-${version}`]);
        return publishRegistry(version % 2 ? bus : other, state(version, registrySnapshot({ keys })), options);
      }),
    );
    const late = await watch(bus);
    for (const each of [watching, late]) {
      await eventually('the newest is in force', async () => {
        const key = each.current()?.key('tr-secret-5', 0);
        return typeof key === 'object' && key.groups[0] === 'group-12';
      });
    }
    const manifest = (await (await openBucket(bus)).get(MANIFEST))?.json<{ content: { parts: number } }>();
    expect(await partCount()).toBe(manifest?.content.parts);
  });
});

describe('a watch', () => {
  test('that finds nonsense keeps what it has, says so, and goes on with what comes then', async () => {
    const watching = await watch();
    await publishRegistry(bus, state(1, small));
    await arrives(watching, 'tr-secret-0');
    const bucket = await openBucket(bus);
    const broken = { id: ID, version: 2, digest: 'none', content: { publication: 'gone', parts: 1 } };
    await bucket.put(MANIFEST, JSON.stringify(broken));
    await eventually('it is said', async () => errors.length > 0);
    expect(watching.current()?.key('tr-secret-0', 0)).toMatchObject({ name: 'key-0' });
    await publishRegistry(bus, state(3, registrySnapshot({ keys: keysOf(2) })));
    await arrives(watching, 'tr-secret-1');
    errors.length = 0;
  });
});
