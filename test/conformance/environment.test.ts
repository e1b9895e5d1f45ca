/** The README's table of variables is what the services read: the same names, defaults and readers. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { gatewayEnv } from '../../services/gateway/src/config.ts';
import { modelCallerEnv } from '../../services/model-caller/src/config.ts';
import { orchestratorEnv } from '../../services/orchestrator/src/config.ts';
import { toolRunnerEnv } from '../../services/tool-runner/src/config.ts';

type Shape = Record<string, z.ZodType>;

const SERVICES: Readonly<Record<string, Shape>> = {
  G: gatewayEnv,
  O: orchestratorEnv,
  M: modelCallerEnv,
  T: toolRunnerEnv,
};
/** What a table says in words: another variable stands in, and any port will do. */
const IN_WORDS: Readonly<Record<string, string>> = { TAILRACE_SECRET_KEY: '', PORT: '0' };

interface Row {
  name: string;
  /** As it would be set; empty where there is none. */
  fallback: string;
  services: string[];
}

const rows = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\| `[A-Z]/.test(line))
  .flatMap(rowsOf);

/** One line may tell of several variables, with a default of each. */
function rowsOf(line: string): Row[] {
  const [, variables = '', defaults = '', who = ''] = line.split('|').map((cell) => cell.replaceAll('`', '').trim());
  const fallbacks = defaults.split(', ').map((each) => each.replace(/ \(.*\)$/, ''));
  return variables.split(', ').map((name, index) => ({
    name,
    fallback: IN_WORDS[name] ?? fallbacks[index] ?? '',
    services: who === 'all' ? Object.keys(SERVICES) : who.split(' '),
  }));
}

describe.each(Object.entries(SERVICES))('the variables of %s', (letter, shape) => {
  test('are those of the table', () => {
    const told = rows.filter(({ services }) => services.includes(letter)).map(({ name }) => name);
    expect(told.sort()).toEqual(Object.keys(shape).sort());
  });

  test.each(Object.entries(shape))('%s has the default that is told', (name, schema) => {
    const fallback = rows.find((row) => row.name === name)?.fallback;
    const { data } = schema.safeParse(undefined);
    if (fallback === '') expect([undefined, []]).toContainEqual(data);
    else expect(data).toEqual(schema.parse(fallback));
  });
});
