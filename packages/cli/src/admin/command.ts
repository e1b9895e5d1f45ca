/** `tailrace keys|groups|models|tools|webhooks`: the registry, from a terminal. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { resolveEnvironment, SECTIONS, type Section } from '@tailrace/registry';
import { parse } from 'yaml';
import { AdminRefusal, type AdminTarget, askAdmin, Unreachable } from './admin-api.ts';
import { type EntryBody, FLAGS, FlagError, type FlagValues, parseOptions, withFlags } from './flags.ts';
import { listing } from './listing.ts';
import { findTarget, NoTarget } from './target.ts';

/** Where a command reads and writes. */
export interface Terminal {
  environment: NodeJS.ProcessEnv;
  cwd: string;
  stdin: NodeJS.ReadableStream;
  out(text: string): void;
  /** For people, not for what comes after in a pipe. */
  note(text: string): void;
}

const ACTIONS = ['list', 'show', 'add', 'update', 'remove'] as const;
type Action = (typeof ACTIONS)[number] | 'rotate';

/** Whether a command of the first argument's name is one of these. */
export function isSection(name: string | undefined): name is Section {
  return (SECTIONS as readonly (string | undefined)[]).includes(name);
}

/**
 * Runs a command.
 * @returns the exit status: 0 done, 1 refused, 2 not understood.
 */
export async function administer(section: Section, args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await run(section, args, terminal);
  } catch (error) {
    if (error instanceof AdminRefusal || error instanceof Unreachable) {
      terminal.note(`${error.message}\n`);
      return 1;
    }
    if (error instanceof FlagError || error instanceof NoTarget) {
      terminal.note(`${error.message}\n`);
      return 2;
    }
    throw error;
  }
}

async function run(section: Section, args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArgs(section, args);
  const [word, name, ...more] = positionals;
  const action = actionOf(section, word);
  if (values.help === true || action === undefined || more.length > 0 || (name === undefined) !== (action === 'list')) {
    (values.help === true ? terminal.out : terminal.note)(usage(section));
    return values.help === true ? 0 : 2;
  }
  const dataDir = typeof values['data-dir'] === 'string' ? values['data-dir'] : undefined;
  const target = await findTarget(terminal.environment, terminal.cwd, dataDir);
  const job: Job = { section, target, values, terminal };
  if (name === undefined) return list(job);
  switch (action) {
    case 'show':
      terminal.out(json(await askAdmin(target, 'GET', pathOf(section, name))));
      return 0;
    case 'add':
      return add(job, name);
    case 'update':
      return update(job, name);
    case 'rotate':
      return rotate(job, name);
    default:
      await askAdmin(target, 'DELETE', pathOf(section, name));
      return done(job, name, section === 'keys' ? 'revoked' : 'removed');
  }
}

interface Job {
  section: Section;
  target: AdminTarget;
  values: FlagValues;
  terminal: Terminal;
}

function readArgs(section: Section, args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      allowNegative: true,
      options: {
        ...parseOptions(section),
        ...(section === 'keys' ? { 'grace-seconds': { type: 'string' as const } } : {}),
        file: { type: 'string', short: 'f' },
        json: { type: 'boolean' },
        'data-dir': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error));
  }
}

function actionOf(section: Section, word: string | undefined): Action | undefined {
  if (word === undefined) return 'list';
  if (word === 'rotate') return section === 'keys' ? word : undefined;
  return ACTIONS.find((action) => action === word);
}

const PAGE = 1_000;

async function list({ section, target, values, terminal }: Job): Promise<number> {
  const entries: EntryBody[] = [];
  for (let page: string | null = ''; page !== null; ) {
    const after = page === '' ? '' : `&page=${encodeURIComponent(page)}`;
    const path = `/${section}?limit=${PAGE}${after}`;
    const answer: { data: EntryBody[]; next_page: string | null } = await askAdmin(target, 'GET', path);
    entries.push(...answer.data);
    page = answer.next_page;
  }
  terminal.out(values.json === true ? json(entries) : listing(section, entries));
  return 0;
}

async function add(job: Job, name: string): Promise<number> {
  const { section, target, values } = job;
  const entry = await withFlags(await fromFile(job), section, values, job.terminal.environment);
  if (section === 'keys' && entry.key === undefined) {
    return shown(job, await askAdmin(target, 'POST', '/keys', { ...entry, name }), 'added');
  }
  if (await exists(job, name)) throw new AdminRefusal(400, `There is a ${kindOf(section)} named '${name}' already.`);
  await askAdmin(target, 'PUT', pathOf(section, name), entry);
  return done(job, name, 'added');
}

async function update(job: Job, name: string): Promise<number> {
  const { section, target, values } = job;
  const path = pathOf(section, name);
  const present = await askAdmin<EntryBody>(target, 'GET', path);
  const base = values.file === undefined ? present : await fromFile(job);
  await askAdmin(target, 'PUT', path, await withFlags(base, section, values, job.terminal.environment));
  return done(job, name, 'updated');
}

async function rotate(job: Job, name: string): Promise<number> {
  const { 'grace-seconds': grace = '0' } = job.values;
  const grace_seconds = Number(grace);
  if (!Number.isInteger(grace_seconds)) throw new FlagError('--grace-seconds has to be a whole number.');
  return shown(job, await askAdmin(job.target, 'POST', `${pathOf('keys', name)}/rotate`, { grace_seconds }), 'rotated');
}

async function exists({ section, target }: Job, name: string): Promise<boolean> {
  try {
    await askAdmin(target, 'GET', pathOf(section, name));
    return true;
  } catch (error) {
    if (error instanceof AdminRefusal && error.status === 404) return false;
    throw error;
  }
}

/** The entry that `--file` names, as YAML or JSON; `-` is what comes in. */
async function fromFile({ values, terminal }: Job): Promise<EntryBody> {
  const { file } = values;
  if (typeof file !== 'string') return {};
  let value: unknown;
  try {
    const text = file === '-' ? await readAll(terminal.stdin) : await readFile(resolve(terminal.cwd, file), 'utf8');
    value = resolveEnvironment(parse(text), terminal.environment);
  } catch (error) {
    // What the parser shows below its first line is the file's own text, which may hold secrets.
    throw new FlagError(`${file}: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FlagError(`${file} is no entry.`);
  return value as EntryBody;
}

/** A secret that nobody will be shown again: alone on its line, for scripts. */
function shown({ values, terminal }: Job, key: EntryBody, what: string): number {
  if (values.json === true) terminal.out(json(key));
  else {
    terminal.note(`The key '${key.name}' was ${what}. This is its secret, which is not shown again:\n`);
    terminal.out(`${key.key}\n`);
  }
  return 0;
}

function done({ section, terminal }: Job, name: string, what: string): number {
  terminal.note(`The ${kindOf(section)} '${name}' was ${what}.\n`);
  return 0;
}

function pathOf(section: Section, name: string): string {
  return `/${section}/${encodeURIComponent(name)}`;
}

function kindOf(section: Section): string {
  return section.slice(0, -1);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function usage(section: Section): string {
  const flags = Object.entries(FLAGS[section]).map(([name, { kind, help }]) => {
    const shown = kind === 'flag' ? `--[no-]${name}` : `--${name} …`;
    return `  ${shown.padEnd(26)}${help}\n`;
  });
  const rotate = section === 'keys' ? '       tailrace keys rotate <name> [--grace-seconds N]\n' : '';
  return `Usage: tailrace ${section} [list] [--json]
       tailrace ${section} show|remove <name>
       tailrace ${section} add|update <name> [--file FILE] [flags]
${rotate}
Flags:
${flags.join('')}
  --file FILE               the entry as YAML or JSON, - for what comes in; flags say more
  --data-dir DIR            where npm start keeps its data (.tailrace)

A value may be @FILE, may hold \${env:NAME}, and is taken away with none.
The gateway is TAILRACE_URL, the key ADMIN_API_KEY; without them, those of npm start.
`;
}
