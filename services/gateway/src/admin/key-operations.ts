/** Keys are made and rotated here: the secret is shown once, and only its hash goes any further. */
import { randomBytes } from 'node:crypto';
import { readKeys } from '@tailrace/database';
import { validate } from '@tailrace/protocol';
import { hashKey, type KeyChange, keyChange, type RegisteredKey } from '@tailrace/registry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { entryOperations, readOne, type SectionApi } from './entry-operations.ts';
import { type AdminContext, type AdminOperation, pathParameter } from './operation.ts';
import { keyResource, newKeyResource, toKeyResource } from './resources.ts';

const SECRET_BYTES = 32;
const MOST_GRACE_S = 30 * 24 * 3_600;

const newKeyBody = keyChange.omit({ key: true });
const rotateBody = z.strictObject({
  /** How long the secret before this one is still honoured. */
  grace_seconds: z.int().min(0).max(MOST_GRACE_S).default(0),
});
const newKey = { name: 'NewKey', schema: newKeyResource };

const api: SectionApi<RegisteredKey, KeyChange> = {
  section: 'keys',
  kind: 'key',
  tag: 'Keys',
  putDescription:
    'With `key` the secret is the caller’s own; it is needed for a key that is not there yet. Without it the secret stays as it ' +
    'is. The secret that another one takes the place of is out of force at once, and for good.',
  removeDescription: 'The key is revoked: every gateway refuses it within a second. Its secret is never taken again.',
  schema: keyChange,
  resource: keyResource,
  read: readKeys,
  show: (stored) => toKeyResource(stored, Date.now()),
  change: ({ key, ...facts }) => ({ do: 'put_key', key: facts, hash: key === undefined ? null : hashKey(key) }),
  putErrors: ['key_taken'],
  removeErrors: [],
};

/** What can be done with keys. */
export const KEY_OPERATIONS: readonly AdminOperation[] = [
  ...entryOperations(api),
  {
    method: 'post',
    path: '/admin/v1/keys',
    id: 'createKey',
    tag: 'Keys',
    summary: 'Make a key',
    description: 'The answer holds the secret, which is shown once and kept nowhere.',
    body: { name: 'NewKeyBody', schema: newKeyBody, required: true },
    answer: newKey,
    creates: true,
    errors: ['entry_exists', 'key_taken'],
    handle: createKey,
  },
  {
    method: 'post',
    path: '/admin/v1/keys/{name}/rotate',
    id: 'rotateKey',
    tag: 'Keys',
    summary: 'Give a key a new secret',
    description:
      'The secret before it is honoured for `grace_seconds`; one that was honoured from an earlier rotation is not any more.',
    body: { name: 'RotateKeyBody', schema: rotateBody, required: false },
    answer: newKey,
    errors: ['entry_not_found', 'key_taken'],
    handle: rotateKey,
  },
];

async function createKey(context: AdminContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const facts = validate(newKeyBody, request.body);
  const secret = newSecret();
  await context.changes.make({ do: 'create_key', key: facts, hash: hashKey(secret) }, request.id);
  reply.code(201);
  return withSecret(context, facts.name, secret);
}

async function rotateKey(context: AdminContext, request: FastifyRequest): Promise<unknown> {
  const name = pathParameter(request, 'name');
  const { grace_seconds } = validate(rotateBody, request.body ?? {});
  const secret = newSecret();
  const change = { do: 'rotate_key' as const, name, hash: hashKey(secret), grace_ms: grace_seconds * 1_000 };
  await context.changes.make(change, request.id);
  return withSecret(context, name, secret);
}

async function withSecret(context: AdminContext, name: string, secret: string): Promise<unknown> {
  return { ...((await readOne(api, context, name)) as z.output<typeof keyResource>), key: secret };
}

function newSecret(): string {
  return `tr-${randomBytes(SECRET_BYTES).toString('base64url')}`;
}
