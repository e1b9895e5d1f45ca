import type { Call } from '@tailrace/demo-model';
import type { TestStack } from './stack.ts';

/** What the demo model and its tools were called for, of all calls that contain `text`. */
export async function callsWith(stack: TestStack, text: string): Promise<Call[]> {
  const answer = await fetch(`${stack.demoModelUrl}/_calls?contains=${encodeURIComponent(text)}`);
  const body: unknown = await answer.json();
  return (Array.isArray(body) ? body : (body as { calls: Call[] }).calls) as Call[];
}
