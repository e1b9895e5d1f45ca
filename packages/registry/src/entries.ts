/** What an operator says of a key, a group, a model, a tool or a webhook: in a file, or through the admin API. */
import { z } from 'zod';
import { isStorable, UNSTORABLE } from './storable.ts';

/** What stands for a secret where one is shown; said of an entry that is there, it means "as it is". */
export const HIDDEN = '***';

/** The statuses that may be others after a pause: the upstream that answered so is asked again. */
export const RETRYABLE_STATUSES: readonly number[] = [408, 409, 425, 429, 500, 502, 503, 504, 529];

/**
 * The statuses that another upstream is asked after, unless the operator says otherwise: those, and what is the fault of one
 * upstream and stays so, a key that it does not take and a model that it has not.
 */
export const FAILOVER_STATUSES: readonly number[] = [401, 403, 404, ...RETRYABLE_STATUSES];

/** The largest integer of the database. */
const MOST = 2_147_483_647;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const count = z.int().min(1).max(MOST);
const optionalCount = count.nullable().default(null);
const bound = z.int().min(1).max(DAY_MS).nullable().default(null);
/** Any text that Postgres and JSON hold. */
const string = () => z.string().refine(isStorable, UNSTORABLE);
const entryName = z
  .string()
  .regex(/^[a-zA-Z0-9_.:/-]{1,128}$/, 'letters, digits and _ . : / - are allowed')
  .refine((name) => !/^\.\.?$/.test(name), 'clients take it for a place in the path');
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'letters, digits, _ and - are allowed');
const groupName = string().min(1).max(128);
const groups = z.array(groupName).min(1).default(['everyone']);
const text = string().max(65_536).nullable().default(null);

/** Headers of each call, and of the connection that it goes over: an operator's would be lost, or break the call. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'idempotency-key',
  'keep-alive',
  'mcp-protocol-version',
  'mcp-session-id',
  'proxy-connection',
  'te',
  'traceparent',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-client-request-id',
]);

/** What is sent and shown in the clear must hold no secret. */
const httpUrl = z
  .url({ protocol: /^https?$/ })
  .max(8_192)
  .refine((url) => !/^[^/]*\/\/[^/?#]*@/.test(url), 'it holds a name or a password: a header is the place for them');
/** Arguments may be put into the path and the query, never into the host. */
const urlTemplate = httpUrl
  .refine((url) => !/^[^/]*\/\/[^/?#]*[{}]/.test(url), 'the host cannot be an argument')
  .refine((url) => !/[{}]/.test(url.replace(/\{[^{}]+\}/g, '')), 'a brace stands alone, or around nothing');
/** Paths are added to it. */
const baseUrl = httpUrl.refine((url) => !/[?#]/.test(url), 'it has a query or a fragment');
const headers = z
  .record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'it is not the name of a header'),
    z
      .string()
      .regex(/^[\t -~\u0080-\u00ff]*$/, 'it holds what a header cannot')
      .max(16_384),
  )
  .refine(
    (all) => new Set(Object.keys(all).map((name) => name.toLowerCase())).size === Object.keys(all).length,
    'a header is there twice',
  )
  .superRefine((all, context) => {
    for (const name of Object.keys(all)) {
      if (!OWN_HEADERS.has(name.toLowerCase())) continue;
      context.addIssue({ code: 'custom', path: [name], message: 'Tailrace says it, or its connection does' });
    }
  })
  .default({});

const limits = z
  .strictObject({
    requests_per_minute: optionalCount,
    tokens_per_minute: optionalCount,
    concurrency: optionalCount,
  })
  .prefault({});

/** A key, but for its secret. */
const keyFields = {
  owner: string().min(1).max(256).optional(),
  groups,
  expires_at: z.iso.datetime({ offset: true }).nullable().default(null),
  limits,
};
const secretKey = z.string().min(16).max(512).regex(/^\S+$/, 'it holds what a header cannot');

const upstream = z.strictObject({
  base_url: baseUrl,
  api_key: z
    .string()
    .min(1)
    .max(16_384)
    .regex(/^[!-~]+$/, 'it holds what a key in a header cannot')
    .nullable()
    .default(null),
  model: string().min(1).max(512),
  dialect: z.enum(['chat', 'responses']).default('chat'),
  priority: z.int().min(0).max(MOST).default(0),
  weight: z.int().min(1).max(1_000_000).default(1),
  concurrency: optionalCount,
  timeouts: z.strictObject({ connect_ms: bound, first_token_ms: bound, idle_ms: bound, total_ms: bound }).prefault({}),
  price: z
    .strictObject({
      input: z.number().min(0),
      /** As other input when nobody says. */
      cached_input: z.number().min(0).optional(),
      output: z.number().min(0),
    })
    .nullable()
    .default(null),
});

const modelFields = {
  groups,
  concurrency: count.default(64),
  context_window: optionalCount,
  failover_statuses: z
    .array(z.int().min(400).max(599))
    .max(200)
    .default([...FAILOVER_STATUSES]),
  upstreams: z.array(upstream).min(1).max(64),
};

const tool = (timeoutMs: number, concurrency: number) => ({
  groups,
  models: z.array(entryName).nullable().default(null),
  description: text,
  timeout_ms: z.int().min(1).max(HOUR_MS).default(timeoutMs),
  concurrency: count.default(concurrency),
  calls_per_minute: optionalCount,
  client_override: z.boolean().default(false),
});
const parameters = z.record(z.string(), z.unknown()).nullable().default(null);

const httpFields = {
  kind: z.literal('http'),
  ...tool(30_000, 8),
  parameters,
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  url: urlTemplate,
  /** By default in the query of a GET or DELETE, else in the body. */
  arguments_in: z.enum(['body', 'query']).optional(),
  headers,
  idempotent: z.boolean().default(false),
};

const agentFields = {
  kind: z.literal('agent'),
  ...tool(10 * 60_000, 64),
  parameters,
  model: entryName,
  instructions: text,
  tools: z.array(toolName).max(256).default([]),
  max_iterations: optionalCount,
  max_tool_calls: z.int().min(0).max(MOST).nullable().default(null),
};

const toolNames = z.strictObject({ tool_names: z.array(string().min(1)).default([]) });
const mcpFields = {
  kind: z.literal('mcp'),
  ...tool(60_000, 8),
  url: httpUrl,
  headers,
  allowed_tools: z.array(string().min(1)).nullable().default(null),
  require_approval: z
    .union([z.enum(['always', 'never']), z.strictObject({ always: toolNames.optional(), never: toolNames.optional() })])
    .default('never'),
  idempotent: z.boolean().default(false),
};

/** The ends of responses that webhooks are told of. */
const WEBHOOK_EVENTS = ['response.completed', 'response.failed', 'response.incomplete', 'response.cancelled'] as const;

const webhookFields = {
  url: httpUrl,
  secret: z
    .string()
    .refine(
      (secret) => secret === HIDDEN || /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret),
      'whsec_ and at least 24 bytes in base64',
    ),
  events: z
    .array(z.enum(WEBHOOK_EVENTS))
    .min(1)
    .default([...WEBHOOK_EVENTS]),
  owners: z.array(string().min(1)).min(1).nullable().default(null),
};

/** Entries as they are written: with their names. */
export const ENTRIES = {
  keys: z.strictObject({ name: entryName, key: secretKey, ...keyFields }),
  groups: z.strictObject({ name: groupName, limits }),
  models: z.strictObject({ name: entryName, ...modelFields }),
  tools: z.discriminatedUnion('kind', [
    z
      .strictObject({ name: toolName, ...httpFields })
      .refine(({ method, arguments_in }) => method !== 'GET' || arguments_in !== 'body', {
        path: ['arguments_in'],
        error: 'a GET has no body',
      }),
    z.strictObject({ name: toolName, ...agentFields }),
    z.strictObject({ name: toolName, ...mcpFields }),
  ]),
  webhooks: z.strictObject({ name: entryName, ...webhookFields }),
};

/** A key of the admin API: of one that is there the secret may be left out. */
export const keyChange = z.strictObject({ name: entryName, key: secretKey.optional(), ...keyFields });

/** The parts of a registry. */
export type Section = keyof typeof ENTRIES;
/** In the order in which they can be applied: agents name models. */
export const SECTIONS = ['groups', 'keys', 'models', 'tools', 'webhooks'] as const satisfies readonly Section[];

/** An entry as an operator says it, with every default. */
export type Entry<S extends Section> = z.output<(typeof ENTRIES)[S]>;
/** As {@link keyChange} gives it. */
export type KeyChange = z.output<typeof keyChange>;
export type LimitsEntry = z.output<typeof limits>;
