import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { registeredKey, registrySnapshot } from '../src/fixtures.ts';
import { hashKey, type RegisteredKey, RegistryView } from '../src/index.ts';

const NOW = 1_000;
const view = (change: Partial<RegisteredKey>) =>
  new RegistryView(
    registrySnapshot({ keys: [registeredKey('alice', 'tr-new', change), registeredKey('bob', 'tr-bob')] }),
  );
const previous = (expiresAt: number) => ({ previous: { hash: hashKey('tr-old'), expiresAt } });

describe('the key that a client sent', () => {
  test.each<[string, Partial<RegisteredKey>, string, 'alice' | 'expired' | undefined]>([
    ['one that does not expire', {}, 'tr-new', 'alice'],
    ['one whose time has not come', { expiresAt: NOW + 1 }, 'tr-new', 'alice'],
    ['one whose time has come', { expiresAt: NOW }, 'tr-new', 'expired'],
    ['after a rotation', previous(NOW + 1), 'tr-new', 'alice'],
    ['the one before, in time', previous(NOW + 1), 'tr-old', 'alice'],
    ['the one before, too late', previous(NOW), 'tr-old', 'expired'],
    ['the one after that, which goes on', previous(NOW), 'tr-new', 'alice'],
    [
      'the one before, in time, of a key whose time has come',
      { ...previous(NOW + 1), expiresAt: NOW },
      'tr-old',
      'expired',
    ],
    ['one that nobody knows', previous(NOW + 1), 'tr-older', undefined],
    ['a hash', previous(NOW + 1), hashKey('tr-new'), undefined],
    ['nothing', previous(NOW + 1), '', undefined],
  ])('%s', (_, change, secret, found) => {
    const key = view(change).key(secret, NOW);
    expect(typeof key === 'object' ? key.name : key).toBe(found);
  });

  test('is one and the same entry as long as the registry stays as it is', () => {
    const same = view(previous(NOW + 1));
    expect(same.key('tr-old', 0)).toBe(same.key('tr-new', 0));
  });

  test('is nobody, whatever is sent', () => {
    const known = view(previous(NOW + 1));
    fc.assert(
      fc.property(fc.string(), (secret) => {
        fc.pre(!['tr-new', 'tr-old', 'tr-bob'].includes(secret));
        expect(known.key(secret, NOW)).toBeUndefined();
      }),
    );
  });
});
