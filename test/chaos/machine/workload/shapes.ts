/** What the responses of the workload do: scripts of the demo model, and the requests around them. */
import { agentLines } from './agent-scripts.ts';
import type { Random } from './random.ts';

/** One response as it is to be asked for. */
export interface Shape {
  /** Name in the report. */
  name: ShapeName;
  /** The prompt: the marker on its first line, then the demo model's directives. */
  input: string;
  /** Fields of the request beside `model`, `input`, `stream` and `background`. */
  extra: Record<string, unknown>;
  /** The longest time in which the script itself says nothing; milliseconds. */
  quietMs: number;
  /** Whether it is made for a client that does not wait. */
  background: boolean;
}

type Script = Omit<Shape, 'name' | 'input'> & { lines: string[]; padding?: number };
type Writer = (random: Random, marker: string) => Script;

const KILO = 1_000;
const MEGA = 1_000_000;

const PLAIN: Omit<Script, 'lines'> = { extra: {}, quietMs: 0, background: false };

function text(random: Random, most: number, slowest: number): string {
  return `!text ${random.magnitude(1, most)} ${random.pick([0, 0, 1, 2, 5, 10, slowest])}`;
}

function call(random: Random, marker: string, more: Record<string, unknown> = {}): string {
  const tool = random.pick(['get_weather', 'get_time', 'echo']);
  return `!call ${tool} ${JSON.stringify({ city: `${marker}/${random.integer(0, 0xff_ff_ff)}`, ...more })}`;
}

/** A line that calls a tool of the MCP server. */
function mcpCall(random: Random, marker: string): string {
  const tool = random.pick(['echo', 'echo', 'add', 'sleep', 'fail', 'measure'] as const);
  const said = `${marker}/${random.integer(0, 0xff_ff_ff)}`;
  const given = {
    echo: { text: said },
    add: { a: random.integer(0, 9), b: random.integer(0, 9) },
    sleep: { ms: random.integer(50, 500), text: said },
    fail: { why: said },
    measure: {},
  };
  return `!call ${tool} ${JSON.stringify(given[tool])}`;
}

function agents(random: Random, marker: string, extra: Record<string, unknown>): Script {
  const lines = agentLines({
    random,
    marker,
    call: (more) => call(random, marker, more),
    mcpCall: () => mcpCall(random, marker),
  });
  // To who is not shown what happens in them, agents are silent for long.
  return { ...PLAIN, lines, extra, quietMs: 3_000, background: random.chance(0.2) };
}

/** Between a request of the SDK's default and one that asks for all there is. */
function size(random: Random): number {
  return random.magnitude(100 * KILO, random.chance(0.1) ? 9 * MEGA : MEGA);
}

const SHAPES = {
  plain: (random) => ({ ...PLAIN, lines: [text(random, 200, 20)] }),
  slow: (random) => {
    const ms = random.integer(50, 250);
    return { ...PLAIN, lines: [`!text ${random.integer(10, 40)} ${ms}`], quietMs: ms };
  },
  fast: (random) => ({ ...PLAIN, lines: [`!text ${random.integer(100, 1_000)} 0`] }),
  reasoning: (random) => ({
    ...PLAIN,
    lines: [`!reasoning ${random.integer(3, 60)} ${random.integer(0, 10)}`, text(random, 100, 10)],
    extra: random.chance(0.5) ? { reasoning: { effort: 'low', summary: 'auto' } } : {},
  }),
  varied: (random) => ({ ...PLAIN, lines: [`!vary ${random.integer(20, 150)} ${random.integer(1, 15)}`] }),
  'tool loop': (random, marker) => {
    const ms = random.integer(0, 300);
    const lines = [
      `!reasoning ${random.integer(1, 8)} 2`,
      call(random, marker, { _ms: ms }),
      '!turn',
      '!say One more look.',
      call(random, marker, { _ms: ms }),
      '!turn',
      text(random, 80, 10),
    ];
    return { ...PLAIN, lines, quietMs: ms };
  },
  'parallel tools': (random, marker) => {
    const calls = Array.from({ length: random.integer(2, 6) }, () =>
      call(random, marker, { _ms: random.integer(0, 400) }),
    );
    return { ...PLAIN, lines: [...calls, '!turn', text(random, 60, 10)], quietMs: 400 };
  },
  'slow tools': (random, marker) => {
    const ms = random.integer(1_000, 6_000);
    const lines = [call(random, marker, { _ms: ms }), call(random, marker, { _ms: ms / 2 }), '!turn', '!text 10 5'];
    return { ...PLAIN, lines, quietMs: ms };
  },
  'failing tools': (random, marker) => ({
    ...PLAIN,
    lines: [
      call(random, marker, { _status: random.pick([400, 500, 503]) }),
      call(random, marker),
      '!turn',
      '!text 8 5',
    ],
  }),
  background: (random, marker) => ({
    ...PLAIN,
    lines: [call(random, marker, { _ms: random.integer(0, 800) }), '!turn', text(random, 150, 20)],
    quietMs: 800,
    background: true,
  }),
  unstored: (random) => ({
    ...PLAIN,
    lines: [text(random, 120, 15)],
    extra: { store: false },
    background: random.chance(0.3),
  }),
  'large input': (random) => ({ ...PLAIN, lines: ['!text 20 5'], padding: size(random) }),
  'large text': (random) => ({ ...PLAIN, lines: [`!json ${'y'.repeat(size(random))}`] }),
  'large outputs': (random, marker) => ({
    ...PLAIN,
    lines: [call(random, marker, { _bytes: size(random) }), '!turn', '!text 10 5'],
    quietMs: 500,
  }),
  'long log': (random) => ({ ...PLAIN, lines: [`!text 10000 ${random.pick([0, 1])}`] }),
  'failing upstream': (random) => {
    const times = random.integer(1, 2);
    const fault = random.pick([
      `!error ${random.pick([429, 500, 503])} times=${times}`,
      `!error 503 retry-after=1 times=${times}`,
      `!cut 0 times=${times}`,
      `!cut ${random.integer(1, 30)} times=${times}`,
      `!stream-error ${random.integer(1, 30)} times=1`,
    ]);
    return { ...PLAIN, lines: [fault, `!text ${random.integer(20, 80)} 10`], quietMs: 2_000 };
  },
  refused: (random) => ({ ...PLAIN, lines: [`!error ${random.pick([400, 403])} It was asked for.`] }),
  'capped tools': (random, marker) => ({
    ...PLAIN,
    lines: [call(random, marker), call(random, marker), call(random, marker), '!turn', '!text 10 5'],
    extra: { max_tool_calls: random.integer(1, 2) },
  }),
  agents: (random, marker) => agents(random, marker, {}),
  'shown agents': (random, marker) => agents(random, marker, { include: ['tailrace.progress'] }),
  mcp: (random, marker) => {
    const turns = Array.from({ length: random.integer(1, 2) }, () => [
      ...Array.from({ length: random.integer(1, 3) }, () => mcpCall(random, marker)),
      '!turn',
    ]);
    return { ...PLAIN, lines: [...turns.flat(), text(random, 40, 10)], extra: { model: 'demo-mcp' }, quietMs: 500 };
  },
} as const satisfies Record<string, Writer>;

/** The names of all shapes. */
export type ShapeName = keyof typeof SHAPES;

/** The shapes, in the order of the report. */
export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[];

/** How often a shape is asked for, in relation to the others. Those that move megabytes are rare. */
export const WEIGHTS: Readonly<Record<ShapeName, number>> = {
  plain: 20,
  slow: 6,
  fast: 6,
  reasoning: 8,
  varied: 6,
  'tool loop': 12,
  'parallel tools': 12,
  'slow tools': 5,
  'failing tools': 3,
  background: 8,
  unstored: 5,
  'large input': 0.6,
  'large text': 0.4,
  'large outputs': 0.6,
  'long log': 0.3,
  'failing upstream': 5,
  refused: 1,
  'capped tools': 2,
  agents: 5,
  'shown agents': 5,
  mcp: 6,
};

/** A response of this shape. `marker` is in nobody else's prompt and arguments. */
export function writeShape(name: ShapeName, random: Random, marker: string): Shape {
  const writer: Writer = SHAPES[name];
  const { lines, padding = 0, ...shape } = writer(random, marker);
  const rest = padding === 0 ? [] : ['x'.repeat(padding)];
  return { name, input: [marker, ...lines, ...rest].join('\n'), ...shape };
}
