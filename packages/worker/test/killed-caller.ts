/** A process that announces calls and is killed in the moment in which it could make the last one. */
import { connectBus, ensureStreams } from '@tailrace/bus';
import { announcer } from '../src/index.ts';

const [url = '', calls = '1'] = process.argv.slice(2);
const bus = await connectBus({ url, name: 'killed' });
await ensureStreams(bus, { partitions: 1, logMaxAgeMs: 60_000, duplicateWindowMs: 60_000 });
const work = {
  kind: 'tool_call' as const,
  responseId: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b',
  stepId: '0190a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6c',
  attempt: 1,
  handedOutAt: Date.now(),
  tool: 'look',
  arguments: '{}',
  parameters: null,
  mcp: null,
  takeover: false,
  correlationId: '',
};
const announce = announcer(bus, work, 1, new AbortController().signal, (error) => console.error(error));
for (let call = 1; call <= Number(calls); call += 1) await announce({ kind: 'tool', tool: 'look' });
process.kill(process.pid, 'SIGKILL');
