/** Entries as people read them. Pure. */
import type { Section } from '@tailrace/registry';
import type { EntryBody } from './flags.ts';

const text = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  return Array.isArray(value) ? value.join(',') : String(value);
};

type Columns = Readonly<Record<string, (entry: EntryBody) => unknown>>;

const limitColumns: Columns = {
  'REQ/MIN': ({ limits }) => (limits as EntryBody).requests_per_minute,
  'TOK/MIN': ({ limits }) => (limits as EntryBody).tokens_per_minute,
  CONCURRENCY: ({ limits }) => (limits as EntryBody).concurrency,
};

const COLUMNS: Readonly<Record<Section, Columns>> = {
  keys: {
    OWNER: ({ owner }) => owner,
    GROUPS: ({ groups }) => groups,
    EXPIRES: ({ expires_at }) => expires_at,
    ...limitColumns,
  },
  groups: limitColumns,
  models: {
    GROUPS: ({ groups }) => groups,
    CONCURRENCY: ({ concurrency }) => concurrency,
    UPSTREAMS: ({ upstreams }) => (upstreams as EntryBody[]).map(({ base_url, model }) => `${base_url} (${model})`),
  },
  tools: {
    KIND: ({ kind }) => kind,
    GROUPS: ({ groups }) => groups,
    MODELS: ({ models }) => models ?? 'all',
    WHERE: ({ url, model }) => url ?? model,
  },
  webhooks: {
    URL: ({ url }) => url,
    EVENTS: ({ events }) => events,
    OWNERS: ({ owners }) => owners ?? 'all',
  },
};

/** A table with a line for each entry. */
export function listing(section: Section, entries: readonly EntryBody[]): string {
  const columns: Columns = { NAME: ({ name }) => name, ...COLUMNS[section], SOURCE: ({ source }) => source };
  const lines = [
    Object.keys(columns),
    ...entries.map((entry) => Object.values(columns).map((column) => text(column(entry)))),
  ];
  const widths = Object.keys(columns).map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
