/** Calls that clients are not shown as function calls: what the tool's own step shows comes in their place. Pure. */
import type { RecordedItem } from '@tailrace/chain';
import { type ItemStatus, itemId, type StepId } from '@tailrace/protocol';

/** Beyond the position of any item that is shown. */
const FIRST_POSITION = 0x1000000;

interface HeldCall {
  name: string;
  upstreamId: string | null;
  text: string;
  /** How many items of the run stand before it. */
  after: number;
}

/** See the file's head. Those of one run: nobody has seen them, so another run begins without any. */
export class HeldCalls {
  readonly #names: ReadonlySet<string>;
  readonly #calls: HeldCall[] = [];
  readonly #byIndex = new Map<number, HeldCall>();
  #status: ItemStatus = 'in_progress';

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
  }

  /** Whether calls of a tool are held back. */
  holds(name: string): boolean {
    return this.#names.has(name);
  }

  /** A call begins, after so many items; `index` is what its arguments come with. */
  begin(index: number, name: string, upstreamId: string | null, after: number): void {
    const call = { name, upstreamId, text: '', after };
    this.#calls.push(call);
    this.#byIndex.set(index, call);
  }

  /** More arguments. False when the call is not among these. */
  extend(index: number, text: string): boolean {
    const call = this.#byIndex.get(index);
    if (call) call.text += text;
    return call !== undefined;
  }

  /** Nothing more comes. */
  end(status: 'completed' | 'incomplete'): void {
    this.#status = status;
  }

  /** The calls as items of a step, each with the number of the run's items that stand before it. */
  items(step: StepId): { recorded: RecordedItem; after: number }[] {
    return this.#calls.map(({ name, upstreamId, text, after }, index) => {
      const position = FIRST_POSITION + index;
      const item = {
        type: 'function_call' as const,
        id: itemId('function_call', step, position),
        status: this.#status,
        call_id: itemId('call', step, position),
        name,
        arguments: text,
      };
      return {
        recorded: { item, ...(upstreamId === null ? {} : { upstream_call_id: upstreamId }), held_back: true },
        after,
      };
    });
  }
}
