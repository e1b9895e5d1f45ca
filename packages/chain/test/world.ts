/** A world that a chain can be played through: what its models and its tools will answer, and in which order. */
import fc from 'fast-check';
import type { AcceptedRequest } from '../src/index.ts';
import { answers, type PlannedAnswer } from './answers.ts';
import { CLIENT_TOOL, type Offers, offered, offers } from './offers.ts';

/** Everything that a chain cannot know beforehand. Each list is gone through in a circle. */
export interface World {
  body: {
    max_tool_calls: number | null;
    max_output_tokens: number | null;
    background: boolean;
  } & Partial<AcceptedRequest['body']>;
  maxIterations: number;
  offers: Offers;
  answers: PlannedAnswer[];
  toolFails: boolean[];
  /** The arguments of an agent that are wrong: those of so many characters; none for 0. */
  wrongArguments: number;
  /** Which of the running steps ends next. */
  order: number[];
  /**
   * When the response is cancelled, unless it has ended: after how many entries, and after how many events of each model
   * step that is open.
   */
  cancel: { entries: number; events: number } | null;
}

const echoed: fc.Arbitrary<Partial<AcceptedRequest['body']>> = fc.record(
  {
    instructions: fc.option(fc.string()),
    tool_choice: fc.constantFrom(
      null,
      'auto' as const,
      { type: 'function' as const, name: 'search' },
      { type: 'mcp' as const, server_label: 'docs' },
      { type: 'allowed_tools' as const, mode: 'auto' as const, tools: [{ type: 'function' as const, name: 'search' }] },
    ),
    text: fc.constantFrom(
      null,
      { verbosity: 'low' as const },
      { format: { type: 'json_object' as const } },
      { format: { type: 'json_schema' as const, name: 'n', schema: { type: 'object' } } },
    ),
    reasoning: fc.constantFrom(null, { effort: 'low' as const }, { summary: 'auto' as const }),
    temperature: fc.option(fc.double({ min: 0, max: 2, noNaN: true })),
    metadata: fc.option(fc.constantFrom({}, { a: 'b' })),
    service_tier: fc.constantFrom(null, 'auto' as const, 'flex' as const),
    user: fc.option(fc.string()),
    include: fc.constantFrom(null, ['tailrace.progress' as const]),
  },
  { requiredKeys: [] },
);

/** Any world. */
export const worlds: fc.Arbitrary<World> = fc.record({
  body: fc
    .tuple(
      fc.record({
        max_tool_calls: fc.option(fc.integer({ min: 1, max: 12 })),
        max_output_tokens: fc.option(fc.integer({ min: 16, max: 60 })),
        background: fc.boolean(),
      }),
      echoed,
    )
    .map(([limits, others]) => ({ ...others, ...limits })),
  maxIterations: fc.integer({ min: 1, max: 5 }),
  offers,
  answers: fc.array(answers, { minLength: 1, maxLength: 6 }),
  toolFails: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  wrongArguments: fc.nat(8),
  order: fc.array(fc.nat(7), { minLength: 1, maxLength: 7 }),
  cancel: fc.option(fc.record({ entries: fc.constantFrom(1, 2, 3, 4, 6, 8, 12), events: fc.nat(12) }), { freq: 2 }),
});

/** The request that a world begins with. */
export function requestOf(world: World): AcceptedRequest {
  return {
    body: { model: 'm', input: [], tools: [{ type: 'function', name: CLIENT_TOOL }], ...world.body },
    max_iterations: world.maxIterations,
    ...offered(world.offers),
  };
}
