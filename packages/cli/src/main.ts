#!/usr/bin/env node
/** The `tailrace` command. Each subcommand loads only what it needs: containers migrate without embedded servers. */

const USAGE = `Usage: tailrace <command>

  migrate   bring the database that DATABASE_URL names up to date
  start     start everything on this machine (tailrace start --help)
  keys, groups, models, tools, webhooks
            what may be used, and by whom (tailrace tools --help)
  dead-letters [list | redrive <id>]
            steps that were given up (DATABASE_URL, NATS_URL); make the response of one again
`;

async function migrate(): Promise<number> {
  const url = process.env.DATABASE_URL;
  if (url === undefined || url === '') {
    process.stderr.write('DATABASE_URL is not set: it names the database to bring up to date.\n');
    return 2;
  }
  const { migrateDatabase } = await import('./stack-options.ts');
  try {
    const { applied } = await migrateDatabase(url);
    process.stdout.write(applied.length === 0 ? 'The database is up to date.\n' : `Applied: ${applied.join(', ')}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`The database could not be brought up to date: ${reasonOf(error)}\n`);
    return 1;
  }
}

async function start(args: readonly string[]): Promise<number> {
  return (await import('./start.ts')).start(args);
}

async function deadLetters(args: readonly string[]): Promise<number> {
  try {
    return await (await import('./dead-letters.ts')).deadLetters(args, process.env);
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    return 1;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A connection refused on every address of a name is an error without a message.
  return error.message === '' ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
}

async function administer(section: string, args: readonly string[]): Promise<number> {
  const { administer, isSection } = await import('./admin/command.ts');
  if (!isSection(section)) throw new Error(`${section} is no part of the registry`);
  const { env: environment, stdin } = process;
  const out = (text: string) => void process.stdout.write(text);
  const note = (text: string) => void process.stderr.write(text);
  try {
    return await administer(section, args, { environment, cwd: process.cwd(), stdin, out, note });
  } catch (error) {
    note(`${reasonOf(error)}\n`);
    return 1;
  }
}

/** The commands that the registry has; it is loaded only for them. */
const REGISTRY = ['keys', 'groups', 'models', 'tools', 'webhooks'];

const [command, ...args] = process.argv.slice(2);
if (command === 'migrate') process.exit(await migrate());
if (command === 'dead-letters') process.exit(await deadLetters(args));
if (command === 'start') process.exit(await start(args));
if (command !== undefined && REGISTRY.includes(command)) process.exitCode = await administer(command, args);
else {
  process.stderr.write(USAGE);
  process.exitCode = command === '--help' || command === '-h' ? 0 : 2;
}
