import { arithmeticIn } from './arithmetic.ts';
import { type ChatRequest, isRecord, type ToolExchange } from './chat-request.ts';
import { cityQuestions } from './city-question.ts';
import type { Segment } from './script.ts';

const wordDelayMs = 15;
const maxQuote = 200;

/** Answers a question that is no script: with tool calls where the tools for it are on offer, else with a text. */
export function plainAnswer(request: ChatRequest): Segment[] {
  const asked = cityQuestions(request.lastUserText, request.tools);
  const made = new Set(request.exchanges.map((exchange) => callKey(exchange.tool, exchange.arguments)));
  const open = asked
    .map(({ tool, city }) => ({ kind: 'call' as const, tool, arguments: JSON.stringify({ city }) }))
    .filter((call) => !made.has(callKey(call.tool, call.arguments)));
  if (open.length > 0) return request.parallelToolCalls ? open : open.slice(0, 1);
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

function callKey(tool: string, json: string): string {
  const value = parsed(json);
  return `${tool} ${isRecord(value) && typeof value.city === 'string' ? value.city : json}`;
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
