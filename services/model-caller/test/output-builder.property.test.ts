import {
  type Annotation,
  EVENT_SCHEMAS,
  foldItems,
  type LogProb,
  type ModelItem,
  type ResponseEvent,
  type UnnumberedEvent,
} from '@tailrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OutputOp } from '../src/model-op.ts';
import { OutputBuilder } from '../src/output-builder.ts';

const STEP = '018f0000-0000-7000-8000-000000000001';
const FIRST_INDEX = 3;
const RUNS = { numRuns: 800 };

type Op = OutputOp;
type End = 'completed' | 'incomplete' | 'abort';

/** What an upstream says in one answer, and how the answer ends. */
interface Answer {
  ops: Op[];
  end: End;
}

// Few words and names, so that answers are often alike for a while.
const word = fc.constantFrom('a', 'b', 'ab', 'aba', 'x');
const token = (text: string): LogProb => ({
  token: text,
  logprob: -1,
  bytes: [...Buffer.from(text)],
  top_logprobs: [],
});
const source = (url: string): Annotation => ({ type: 'url_citation', url, start_index: 0, end_index: 1, title: '' });
const opKind = fc.oneof(
  fc.record({ type: fc.constantFrom('text' as const, 'reasoning' as const, 'refusal' as const), text: word }),
  fc.record({ type: fc.constantFrom('text' as const, 'reasoning' as const, 'summary' as const), text: word }),
  word.map((text): Op => ({ type: 'text', text, logprobs: [...text].map(token) })),
  fc.constantFrom('u', 'v').map((url): Op => ({ type: 'annotation', annotation: source(url) })),
  fc.constant<Op>({ type: 'encrypted', content: 'sealed' }),
  fc.constant<Op>({ type: 'part' }),
  fc.constantFrom(null, 'commentary' as const, 'final_answer' as const).map((phase): Op => ({ type: 'item', phase })),
  fc.record({ type: fc.constant('call' as const), name: fc.constantFrom('f', 'g') }),
  fc.record({ type: fc.constant('arguments' as const), call: fc.nat(3), text: word }),
);

/** Any sequence of operations that a translator can give: arguments only of calls that have begun, in any order. */
const ops: fc.Arbitrary<Op[]> = fc.array(opKind, { maxLength: 12 }).map((kinds) => {
  let calls = 0;
  return kinds.flatMap((kind): Op[] => {
    if (kind.type === 'call') {
      calls += 1;
      return [{ type: 'call', name: kind.name, index: calls - 1, id: `up_${calls - 1}` }];
    }
    if (kind.type !== 'arguments') return [kind];
    return calls === 0 || !('call' in kind) ? [] : [{ type: 'arguments', index: kind.call % calls, text: kind.text }];
  });
});
const answers: fc.Arbitrary<Answer> = fc.record({
  ops,
  end: fc.constantFrom<End>('completed', 'completed', 'incomplete'),
});

/** The next answer to the same question: the same, the same for a while, the same in other pieces, or another one. */
function variantOf(answer: Answer): fc.Arbitrary<Answer> {
  const prefix = fc
    .tuple(fc.nat(answer.ops.length), answers)
    .map(([length, other]) => ({ ...other, ops: onlyBegun([...answer.ops.slice(0, length), ...other.ops]) }));
  const pieces = fc.constant({ ...answer, ops: answer.ops.flatMap(inSinglePieces) });
  return fc.oneof(fc.constant(answer), prefix, pieces, answers);
}

/** The same in pieces of one character; the probabilities of a piece come with its first. */
function inSinglePieces(op: Op): Op[] {
  if (!('text' in op)) return [op];
  return [...op.text].map((text, index): Op => {
    if (op.type !== 'text' || !op.logprobs) return { ...op, text };
    return { ...op, text, logprobs: index === 0 ? op.logprobs : [] };
  });
}

/** Calls that two answers both number 0, 1, … numbered anew. */
function onlyBegun(all: Op[]): Op[] {
  let begun = 0;
  return all.map((op) => {
    if (op.type === 'call') {
      begun += 1;
      return { ...op, index: begun - 1, id: `up_${begun - 1}` };
    }
    return op;
  });
}

const takeovers = answers.chain((first) =>
  fc.record({
    first: fc.constant(first),
    cut: fc.nat({ max: 60 }),
    next: variantOf(first),
  }),
);

function groupsOf(builder: OutputBuilder, answer: Answer): UnnumberedEvent[][] {
  const groups = answer.ops.flatMap((op) => builder.apply(op));
  return [...groups, ...(answer.end === 'abort' ? builder.abort() : builder.finish(answer.end))];
}

const fold = (events: UnnumberedEvent[]): ModelItem[] =>
  foldItems(
    events.map((event, sequence_number): ResponseEvent => ({ ...event, sequence_number })),
    FIRST_INDEX,
  );

const alone = (answer: Answer) => {
  const builder = new OutputBuilder(STEP, FIRST_INDEX, []);
  const groups = groupsOf(builder, answer);
  return { builder, groups, events: groups.flat() };
};

/** What an item says, without where it stands, and without what the next answer may tell otherwise and still be the same. */
function said(item: ModelItem): unknown[] {
  switch (item.type) {
    case 'function_call':
      return ['call', item.status, item.name, item.arguments];
    case 'reasoning':
      return ['reasoning', item.status, item.summary, item.content];
    case 'message':
      return ['message', item.status, item.phase, item.content.map((part) => ({ ...part, logprobs: [] }))];
  }
}

const standing = (builder: OutputBuilder) =>
  builder
    .items()
    .filter((item) => !item.superseded)
    .map(({ item, upstream_call_id }) => [...said(item), upstream_call_id ?? '']);

/** Neighbouring deltas of one item joined, as a client that looks at the text alone sees them. */
function joined(events: UnnumberedEvent[]): UnnumberedEvent[] {
  const result: UnnumberedEvent[] = [];
  for (const event of events) {
    const last = result.at(-1);
    if (last && 'delta' in last && 'delta' in event && last.type === event.type && last.item_id === event.item_id) {
      const logprobs = 'logprobs' in last && 'logprobs' in event ? [...last.logprobs, ...event.logprobs] : undefined;
      result[result.length - 1] = { ...last, delta: last.delta + event.delta, ...(logprobs ? { logprobs } : {}) };
    } else result.push(event);
  }
  return result;
}

/** The deltas of each item, whatever stands between them, and all other events in their order. */
function perItem(events: UnnumberedEvent[]) {
  const texts = new Map<string, string>();
  for (const event of events) {
    if ('delta' in event) texts.set(event.item_id, (texts.get(event.item_id) ?? '') + event.delta);
  }
  return { texts, others: events.filter((event) => !('delta' in event)) };
}

/** Each event is what the API says that it is. */
function expectValid(events: UnnumberedEvent[]): void {
  events.forEach((event, sequence_number) => {
    expect(EVENT_SCHEMAS[event.type].safeParse({ ...event, sequence_number }).error).toBeUndefined();
  });
}

function expectEnded(builder: OutputBuilder, events: UnnumberedEvent[]): void {
  const items = builder.items().map(({ item }) => item);
  expect(fold(events)).toStrictEqual(items);
  expect(items.every((item) => item.status !== 'in_progress')).toBe(true);
}

describe('the output of one run', () => {
  test('folds to its items after every group, and has ended at the end', () => {
    fc.assert(
      fc.property(answers, fc.boolean(), ({ ops: run, end }, abort) => {
        const builder = new OutputBuilder(STEP, FIRST_INDEX, []);
        const events: UnnumberedEvent[] = [];
        for (const op of run) {
          events.push(...builder.apply(op).flat());
          expect(fold(events)).toStrictEqual(builder.items().map(({ item }) => item));
        }
        events.push(...(abort ? builder.abort() : builder.finish(end === 'abort' ? 'completed' : end)).flat());
        expectEnded(builder, events);
        expectValid(events);
      }),
      RUNS,
    );
  });
});

describe('the output of a run that takes over', () => {
  test('is, after the events of any dead attempt, a valid run that ends with exactly what it says', () => {
    fc.assert(
      fc.property(takeovers, ({ first, cut, next }) => {
        const published = alone(first).groups.slice(0, cut).flat();
        const builder = new OutputBuilder(STEP, FIRST_INDEX, fold(published));
        const events = [...published, ...groupsOf(builder, next).flat()];
        expectEnded(builder, events);
        expect(standing(builder)).toEqual(standing(alone(next).builder));
      }),
      RUNS,
    );
  });

  test('repeats nothing when it says the same: the log is that of an undisturbed run', () => {
    const same = answers.chain((first) =>
      fc.record({ first: fc.constant(first), cut: fc.nat({ max: 60 }), pieces: fc.boolean() }),
    );
    fc.assert(
      fc.property(same, ({ first, cut, pieces }) => {
        const undisturbed = alone(first);
        const published = undisturbed.groups.slice(0, cut).flat();
        const builder = new OutputBuilder(STEP, FIRST_INDEX, fold(published));
        const again = pieces ? { ...first, ops: first.ops.flatMap(inSinglePieces) } : first;
        const events = [...published, ...groupsOf(builder, again).flat()];
        expect(perItem(events)).toStrictEqual(perItem(undisturbed.events));
        if (!pieces) expect(joined(events)).toStrictEqual(joined(undisturbed.events));
        expect(builder.items()).toStrictEqual(undisturbed.builder.items());
      }),
      RUNS,
    );
  });

  test('stays valid through any number of takeovers and restarts, whole or broken off, and aborts', () => {
    const attempt = fc.record({ cut: fc.nat({ max: 20 }), restart: fc.boolean() });
    const history = answers.chain((first) =>
      fc.record({
        attempts: fc.array(fc.tuple(attempt, variantOf(first)), { minLength: 1, maxLength: 5 }),
        last: variantOf(first),
        end: fc.constantFrom<End>('completed', 'incomplete', 'abort'),
      }),
    );
    fc.assert(
      fc.property(history, ({ attempts, last, end }) => {
        const events: UnnumberedEvent[] = [];
        let builder = new OutputBuilder(STEP, FIRST_INDEX, []);
        for (const [{ cut, restart }, answer] of attempts) {
          if (restart) {
            // The upstream broke off: all that the builder gave has been published, and the answer has no end.
            for (const op of answer.ops.slice(0, cut)) events.push(...builder.apply(op).flat());
            builder.restart();
          } else {
            // The process died: what it had not published yet is lost with it.
            events.push(...groupsOf(builder, answer).slice(0, cut).flat());
            builder = new OutputBuilder(STEP, FIRST_INDEX, fold(events));
          }
          if (restart) expect(fold(events)).toStrictEqual(builder.items().map(({ item }) => item));
        }
        events.push(...groupsOf(builder, { ...last, end }).flat());
        expectEnded(builder, events);
        if (end !== 'abort') expect(standing(builder)).toEqual(standing(alone({ ...last, end }).builder));
      }),
      RUNS,
    );
  });
});
