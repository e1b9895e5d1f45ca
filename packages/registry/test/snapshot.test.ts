import { describe, expect, test } from 'vitest';
import { registeredHttpTool, registeredKey, registeredModel, registrySnapshot } from '../src/fixtures.ts';
import { hashKey, RegistryView } from '../src/index.ts';

const model = (name: string, groups: string[]) => registeredModel(name, { groups });
const tool = (name: string, groups: string[], models: string[] | null) => registeredHttpTool(name, { groups, models });
const alice = registeredKey('alice', 'tr-alice', { owner: 'team', groups: ['staff'] });

const view = new RegistryView({
  groups: [],
  keys: [alice],
  models: [model('small', ['everyone']), model('large', ['staff', 'admins'])],
  tools: [
    tool('weather', ['everyone'], null),
    tool('search', ['everyone', 'staff'], ['small']),
    tool('deploy', ['staff'], ['large', 'small']),
  ],
});

describe('RegistryView', () => {
  test('finds a key by what the client sent, and by nothing else', () => {
    expect(view.key('tr-alice', 0)).toBe(alice);
    for (const other of ['', 'tr-bob', 'alice', alice.hash, 'tr-alice ']) expect(view.key(other, 0)).toBeUndefined();
  });

  test.each([
    [['everyone'], 'small', true],
    [['everyone'], 'large', false],
    [['staff'], 'large', true],
    [['everyone', 'admins'], 'large', true],
    [[], 'small', false],
    [['everyone', 'staff'], 'none', false],
  ])('groups %j may use the model %s: %s', (groups, name, may) => {
    expect(view.modelFor(groups, name)?.name).toBe(may ? name : undefined);
  });

  test.each([
    [['everyone'], 'small', ['search', 'weather']],
    [['everyone'], 'large', ['weather']],
    [['staff'], 'small', ['deploy', 'search']],
    [['everyone', 'staff'], 'small', ['deploy', 'search', 'weather']],
    [['everyone', 'staff'], 'large', ['deploy', 'weather']],
    [[], 'small', []],
  ])('groups %j are given, with the model %s, the tools %j', (groups, name, names) => {
    expect(view.toolsFor(groups, name).map((each) => each.name)).toEqual(names);
  });

  test('an empty registry knows nobody and nothing', () => {
    const empty = new RegistryView(registrySnapshot());
    expect(empty.key('tr-alice', 0)).toBeUndefined();
    expect(empty.modelFor(['everyone'], 'small')).toBeUndefined();
    expect(empty.toolsFor(['everyone'], 'small')).toEqual([]);
  });
});

test('hashKey is SHA-256 in hexadecimal', () => {
  expect(hashKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
