import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { ENTRIES, type Entry, type Section } from './entries.ts';
import { resolveEnvironment, UnsetVariable } from './references.ts';

/** A list in which no two entries have the same name: the later one would silently win. */
const named = <T extends z.ZodType<{ name: string }>>(entry: T) =>
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

const configFile = z.strictObject({
  keys: named(ENTRIES.keys),
  groups: named(ENTRIES.groups),
  models: named(ENTRIES.models),
  tools: named(ENTRIES.tools),
  webhooks: named(ENTRIES.webhooks),
});

/** An entry of a configuration, and the JSON of what was written, defaults left out. */
export interface Configured<S extends Section> {
  entry: Entry<S>;
  written: string;
}

/** The registry as an operator writes it down: the file that `TAILRACE_CONFIG` names. */
export type RegistryConfig = { [S in Section]: Configured<S>[] };

/** A configuration file that cannot be read, or does not say what it should. */
export class RegistryConfigError extends Error {
  constructor(file: string, reason: string, cause?: unknown) {
    super(`${file}: ${reason}`, { cause });
    this.name = 'RegistryConfigError';
  }
}

/**
 * Reads a YAML or JSON configuration file, with its references to the environment.
 * @throws RegistryConfigError
 */
export async function readRegistryConfig(
  file: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<RegistryConfig> {
  let value: unknown;
  try {
    value = parse(await readFile(file, 'utf8')) ?? {};
  } catch (error) {
    throw new RegistryConfigError(file, firstLine(error));
  }
  return parseRegistryConfig(value, file, environment);
}

/**
 * A configuration that has been read from somewhere; `source` names it in errors.
 * @throws RegistryConfigError
 */
export function parseRegistryConfig(value: unknown, source: string, environment: NodeJS.ProcessEnv): RegistryConfig {
  let resolved: unknown;
  try {
    resolved = resolveEnvironment(value, environment);
  } catch (error) {
    if (!(error instanceof UnsetVariable)) throw error;
    throw new RegistryConfigError(source, `${error.message}, which ${z.core.toDotPath(error.path)} asks for`);
  }
  const result = configFile.safeParse(resolved);
  if (!result.success) throw new RegistryConfigError(source, z.prettifyError(result.error), result.error);
  return {
    keys: configured(result.data.keys, resolved, 'keys'),
    groups: configured(result.data.groups, resolved, 'groups'),
    models: configured(result.data.models, resolved, 'models'),
    tools: configured(result.data.tools, resolved, 'tools'),
    webhooks: configured(result.data.webhooks, resolved, 'webhooks'),
  };
}

function configured<E>(entries: E[], file: unknown, section: Section): { entry: E; written: string }[] {
  const written = (file as Partial<Record<Section, unknown[]>>)[section] ?? [];
  return entries.map((entry, index) => ({ entry, written: JSON.stringify(written[index]) }));
}

/** What the parser shows below its first line is the file's own text, which holds secrets. */
function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.replace(/:$/, '');
}
