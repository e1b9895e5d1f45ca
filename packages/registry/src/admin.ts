/** Changes of the registry on their way from a gateway to an orchestrator: sealed, since they hold secrets. */
import { z } from 'zod';
import { ENTRIES, keyChange, type Section } from './entries.ts';
import { type Sealer, UnsealError } from './seal.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const facts = keyChange.omit({ key: true });
const name = z.string().min(1).max(128);

const change = z.discriminatedUnion('do', [
  /** A key; without a hash its secret stays as it is. */
  z.strictObject({ do: z.literal('put_key'), key: facts, hash: hash.nullable() }),
  /** A key that must not be there yet. */
  z.strictObject({ do: z.literal('create_key'), key: facts, hash }),
  z.strictObject({ do: z.literal('rotate_key'), name, hash, grace_ms: z.int().min(0) }),
  z.strictObject({ do: z.literal('put_group'), entry: ENTRIES.groups }),
  z.strictObject({ do: z.literal('put_model'), entry: ENTRIES.models }),
  z.strictObject({ do: z.literal('put_tool'), entry: ENTRIES.tools }),
  z.strictObject({ do: z.literal('put_webhook'), entry: ENTRIES.webhooks }),
  z.strictObject({
    do: z.literal('remove'),
    section: z.enum(['keys', 'groups', 'models', 'tools', 'webhooks'] satisfies Section[]),
    name,
  }),
]);

/** One change of the registry. No key's secret is in it, only its hash. */
export type AdminChange = z.output<typeof change>;

const command = z.strictObject({
  /** Who waits for the answer, and for how long. */
  asking: z.strictObject({ askedAt: z.number(), waitMs: z.number(), replyTo: z.string() }),
  correlationId: z.string(),
  change,
});

/** A change, and who waits for it. */
export type AdminCommand = z.output<typeof command>;

/** A message that no gateway of this installation has sent. */
export class ForeignCommand extends Error {
  constructor(cause: unknown) {
    super('a command for the registry is not one of this installation', { cause });
    this.name = 'ForeignCommand';
  }
}

/** The bytes of a command; only who has the installation's key can read or make them. */
export function sealCommand(sealer: Sealer, value: AdminCommand): Uint8Array {
  return Buffer.from(sealer.seal(JSON.stringify(value)));
}

/**
 * A command, checked once more where it is carried out.
 * @throws ForeignCommand
 */
export function openCommand(sealer: Sealer, bytes: Uint8Array): AdminCommand {
  try {
    return command.parse(JSON.parse(sealer.open(Buffer.from(bytes).toString())));
  } catch (error) {
    if (error instanceof UnsealError || error instanceof SyntaxError) throw new ForeignCommand(error);
    // Its issues would tell what was said.
    if (error instanceof z.ZodError) throw new ForeignCommand(undefined);
    throw error;
  }
}
