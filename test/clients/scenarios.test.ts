/** The scenarios of `scenarios.md`, with the official clients for Node and Python. */
import { readFileSync } from 'node:fs';
import { startDemoModel } from '@tailrace/demo-model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestStack, testStack } from '../harness/stack.ts';
import { backgroundScenarios } from './node/background.ts';
import { errorScenarios } from './node/errors.ts';
import { modelOutputScenarios } from './node/model-output.ts';
import type { Clients, Scenario } from './node/scenario.ts';
import { stateScenarios } from './node/state.ts';
import { textScenarios } from './node/text.ts';
import { toolScenarios } from './node/tools.ts';
import { pythonClient, pythonScenarioNames, runPython } from './python/run.ts';

/** Tokens that the model `small` can take. */
const SMALL_WINDOW = 500;

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8');
const listed = [...read('scenarios.md').matchAll(/^\| `([a-z-]+)`/gm)].map(([, name = '']) => name);

let stack: TestStack;
let smallModel: Awaited<ReturnType<typeof startDemoModel>>;
let clients: Clients;

beforeAll(async () => {
  smallModel = await startDemoModel();
  const upstreams = [{ base_url: `${smallModel.url}/v1`, model: 'demo' }];
  stack = await testStack({
    replicas: { gateway: 2 },
    // What hangs at the end has no more time.
    env: { DRAIN_MS: '1000', UPSTREAM_BACKOFF_MS: '20' },
    config: { models: [{ name: 'small', groups: ['everyone'], context_window: SMALL_WINDOW, upstreams }] },
  });
  clients = { client: stack.openai(0), elsewhere: stack.openai(1) };
});
afterAll(async () => {
  await smallModel.close();
  await stack.stop();
});

describe('the openai npm client', () => {
  const implemented: string[] = [];
  const scenario: Scenario = (name, run) => {
    implemented.push(name);
    test(name, () => run(clients));
  };
  textScenarios(scenario);
  modelOutputScenarios(scenario);
  toolScenarios(scenario);
  stateScenarios(scenario);
  backgroundScenarios(scenario);
  errorScenarios(scenario);

  test('implements all scenarios, and no others', () => {
    expect(implemented.toSorted()).toEqual(listed.toSorted());
  });
});

describe('the openai Python package', () => {
  test('implements all scenarios, and no others', () => {
    expect(pythonScenarioNames().toSorted()).toEqual(listed.toSorted());
  });

  const python = pythonClient();
  if (!python) {
    process.stderr.write('No Python that can import openai (PYTHON names another one): its scenarios were not run.\n');
    return;
  }
  test(`runs them with version ${python.version}`, { timeout: 180_000 }, async () => {
    const proxies = await Promise.all([stack.validatingProxy(0), stack.validatingProxy(1)]);
    try {
      const [first, second] = proxies;
      const results = await runPython(python, { urls: [first.url, second.url], apiKey: stack.apiKey });
      const failed = results.filter(({ error }) => error !== null);
      expect(failed.map(({ name, error }) => `${name}: ${error}`).join('\n')).toBe('');
      expect(results.map(({ name }) => name).toSorted()).toEqual(listed.toSorted());
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    }
  });
});
