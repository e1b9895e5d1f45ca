import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';

const name = z.string().regex(/^[a-zA-Z0-9_.:/-]{1,128}$/, 'letters, digits and _ . : / - are allowed');
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'letters, digits, _ and - are allowed');
const groups = z.array(z.string().min(1)).min(1).default(['everyone']);
/** A list in which no two entries have the same name: the later one would silently win. */
const named = <T extends { name: string }>(entry: z.ZodType<T>) =>
  z
    .array(entry)
    .superRefine((entries, context) => {
      const seen = new Set<string>();
      entries.forEach((each, index) => {
        if (seen.has(each.name)) {
          context.addIssue({ code: 'custom', path: [index, 'name'], message: `'${each.name}' is there twice` });
        }
        seen.add(each.name);
      });
    })
    .default([]);
const httpUrl = z.url({ protocol: /^https?$/ });

/** The ends of responses that webhooks are told of. */
const WEBHOOK_EVENTS = ['response.completed', 'response.failed', 'response.incomplete', 'response.cancelled'] as const;

const configFile = z.strictObject({
  keys: named(z.strictObject({ name, key: z.string().min(16), owner: z.string().min(1).optional(), groups })),
  models: named(
    z.strictObject({
      name,
      groups,
      concurrency: z.int().min(1).default(64),
      context_window: z.int().min(1).optional(),
      upstreams: z
        .array(
          z.strictObject({
            base_url: httpUrl,
            api_key: z.string().optional(),
            model: z.string().min(1),
            dialect: z.enum(['chat', 'responses']).default('chat'),
          }),
        )
        .min(1),
    }),
  ),
  tools: named(
    z.strictObject({
      name: toolName,
      kind: z.literal('http'),
      groups,
      models: z.array(name).optional(),
      description: z.string().optional(),
      parameters: z.record(z.string(), z.unknown()).optional(),
      url: httpUrl,
      headers: z.record(z.string(), z.string()).default({}),
      timeout_ms: z.int().min(1).max(3_600_000).default(30_000),
      concurrency: z.int().min(1).default(8),
      idempotent: z.boolean().default(false),
      client_override: z.boolean().default(false),
    }),
  ),
  webhooks: named(
    z.strictObject({
      name,
      url: httpUrl,
      secret: z.string().regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, 'whsec_ and at least 24 bytes in base64'),
      events: z
        .array(z.enum(WEBHOOK_EVENTS))
        .min(1)
        .default([...WEBHOOK_EVENTS]),
      owners: z.array(z.string().min(1)).min(1).optional(),
    }),
  ),
});

/** The registry as an operator writes it down: the file that `TAILRACE_CONFIG` names. */
export type RegistryConfig = z.output<typeof configFile>;

/** A configuration file that cannot be read, or does not say what it should. */
export class RegistryConfigError extends Error {
  constructor(file: string, reason: string, cause?: unknown) {
    super(`${file}: ${reason}`, { cause });
    this.name = 'RegistryConfigError';
  }
}

/**
 * Reads a YAML or JSON configuration file.
 * @throws RegistryConfigError
 */
export async function readRegistryConfig(file: string): Promise<RegistryConfig> {
  let value: unknown;
  try {
    value = parse(await readFile(file, 'utf8')) ?? {};
  } catch (error) {
    throw new RegistryConfigError(file, firstLine(error));
  }
  const result = configFile.safeParse(value);
  if (!result.success) throw new RegistryConfigError(file, z.prettifyError(result.error), result.error);
  return result.data;
}

/** What the parser shows below its first line is the file's own text, which holds secrets. */
function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.replace(/:$/, '');
}
