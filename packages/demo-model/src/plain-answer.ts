import { arithmeticIn } from './arithmetic.ts';
import { cityQuestions } from './city-question.ts';
import { minimalInstance } from './json-schema-instance.ts';
import type { AnswerFormat, ModelRequest, ToolExchange } from './model-request.ts';
import { isRecord } from './record.ts';
import type { Segment } from './script.ts';
import { cityArgument, cityArguments, minimalArguments } from './tool-arguments.ts';

const wordDelayMs = 15;
const maxQuote = 200;

/**
 * Answers a question that is no script: with tool calls where the tools for it are on offer or a call is asked for, else
 * with a value of the format or a text.
 */
export function plainAnswer(request: ModelRequest): Segment[] {
  const open = openCityCalls(request);
  if (open.length > 0) return request.parallelToolCalls ? open : open.slice(0, 1);
  const [tool] = request.tools;
  if (request.mustCall && tool !== undefined && request.exchanges.length === 0) {
    return [{ kind: 'call', tool: tool.name, arguments: JSON.stringify(minimalArguments(tool)) }];
  }
  if (request.format !== 'text') return [{ kind: 'json', text: jsonAnswer(request.format), delayMs: wordDelayMs }];
  if (request.exchanges.length > 0) return say(request.exchanges.map(factOf).join(' '));
  return say(textAnswer(request.lastUserText.trim()));
}

/** One line with the beginning of each tool output. */
export function outputsInBrief(exchanges: ToolExchange[]): string {
  return `The tools answered: ${exchanges.map(({ tool, output }) => `${tool}: ${clip(output)}`).join('; ')}.`;
}

function say(text: string): Segment[] {
  return [{ kind: 'say', text, delayMs: wordDelayMs }];
}

function textAnswer(question: string): string {
  const result = arithmeticIn(question);
  if (result !== null) return result;
  if (
    /^(hi|hello|hey|hallo|greetings|good (morning|afternoon|evening|day))\b/i.test(question) &&
    question.length < 40
  ) {
    return "Hello! I am Tailrace's built-in demo model. Ask me a small sum, or the weather and the time in a city.";
  }
  const quote = question === '' ? '' : ` You asked: "${clip(question)}"`;
  return (
    "I am Tailrace's built-in demo model, so I can show the machinery but do not know the answer. " +
    `Add a real model with UPSTREAM_BASE_URL, UPSTREAM_API_KEY and UPSTREAM_MODEL.${quote}`
  );
}

function factOf({ tool, output }: ToolExchange): string {
  const value = parsed(output);
  if (isRecord(value) && typeof value.city === 'string') {
    if (typeof value.temperature_c === 'number' && typeof value.conditions === 'string') {
      return `In ${value.city} it is ${value.temperature_c} °C and ${value.conditions}.`;
    }
    if (typeof value.local_time === 'string') return `The local time in ${value.city} is ${value.local_time}.`;
  }
  return `${tool} answered: ${clip(output)}.`;
}

/** The calls that answer the question's parts about cities and have not been made yet. */
function openCityCalls(request: ModelRequest): Extract<Segment, { kind: 'call' }>[] {
  const tools = new Map(request.tools.map((tool) => [tool.name, tool]));
  const cityOf = ({ tool, arguments: json }: ToolExchange) => {
    const [offered, values] = [tools.get(tool), parsed(json)];
    return offered !== undefined && isRecord(values) ? values[cityArgument(offered)] : undefined;
  };
  return cityQuestions(request.lastUserText, [...tools.keys()]).flatMap(({ tool, city }) => {
    const offered = tools.get(tool);
    if (offered === undefined) return [];
    if (request.exchanges.some((made) => made.tool === tool && cityOf(made) === city)) return [];
    return [{ kind: 'call' as const, tool, arguments: cityArguments(offered, city) }];
  });
}

function jsonAnswer(format: Exclude<AnswerFormat, 'text'>): string {
  const instance = format === 'json' ? null : minimalInstance(format.schema);
  return instance === null ? '{"answer": "demo"}' : JSON.stringify(instance.value);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function clip(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > maxQuote ? `${line.slice(0, maxQuote)}…` : line;
}
