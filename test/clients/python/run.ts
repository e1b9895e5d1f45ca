/** Runs `scenarios.py`. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** An interpreter that has the `openai` package. */
export interface PythonClient {
  command: string;
  /** Of the package. */
  version: string;
}

/** What a scenario came to; `error` is null when it went well. */
export interface PythonResult {
  name: string;
  error: string | null;
}

const SCENARIOS = fileURLToPath(new URL('scenarios.py', import.meta.url));
const TIMEOUT_MS = 170_000;

/** The interpreter that `PYTHON` names (`python3`), if it can import the client. */
export function pythonClient(): PythonClient | undefined {
  const command = process.env.PYTHON || 'python3';
  const { status, stdout } = spawnSync(command, ['-c', 'import openai; print(openai.__version__)'], {
    encoding: 'utf8',
  });
  return status === 0 ? { command, version: stdout.trim() } : undefined;
}

/** The names that the Python program implements. */
export function pythonScenarioNames(): string[] {
  return [...readFileSync(SCENARIOS, 'utf8').matchAll(/^@scenario\("([a-z-]+)"\)$/gm)].map(([, name = '']) => name);
}

/** Runs all scenarios against two gateways. */
export async function runPython(
  { command }: PythonClient,
  { urls, apiKey }: { urls: [string, string]; apiKey: string },
): Promise<PythonResult[]> {
  const [first, second] = urls.map((url) => `${url}/v1`);
  const env = { ...process.env, BASE_URL: first, OTHER_BASE_URL: second, API_KEY: apiKey };
  const { stdout } = await promisify(execFile)(command, [SCENARIOS], { env, timeout: TIMEOUT_MS });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as PythonResult);
}
