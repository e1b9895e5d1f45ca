import { z } from 'zod';

/** Content that a client can put into a message (specification: InputTextContentParam and its siblings). */
const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() });
const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z.string().min(1),
  detail: z.enum(['low', 'high', 'auto', 'original']).nullish(),
});
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()).nullish(),
  logprobs: z.array(z.unknown()).nullish(),
});
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });

const messageContent = z.union([
  z.string(),
  z.array(z.discriminatedUnion('type', [inputText, inputImage, outputText, refusal])),
]);

const messageItem = z.strictObject({
  type: z.literal('message'),
  id: z.string().nullish(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: messageContent,
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
  phase: z.enum(['commentary', 'final_answer']).nullish(),
});

const functionCallItem = z.strictObject({
  type: z.literal('function_call'),
  id: z.string().nullish(),
  call_id: z.string().min(1).max(64),
  name: z.string().min(1).max(64),
  arguments: z.string(),
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
});

const functionCallOutputItem = z.strictObject({
  type: z.literal('function_call_output'),
  id: z.string().nullish(),
  call_id: z.string().min(1).max(64),
  output: z.union([z.string(), z.array(z.discriminatedUnion('type', [inputText, inputImage]))]),
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
});

const reasoningItem = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string().nullish(),
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })).default([]),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text: z.string() })).nullish(),
  encrypted_content: z.string().nullish(),
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
});

/** An item of a request's `input`. A message may leave out its `type`. */
export const inputItem = z.preprocess(
  (value) => (isTypelessMessage(value) ? { ...value, type: 'message' } : value),
  z.discriminatedUnion('type', [messageItem, functionCallItem, functionCallOutputItem, reasoningItem]),
);

/** An item of a request's `input`, as it is kept. */
export type InputItem = z.output<typeof inputItem>;

/** A part of a message that a client sent. */
export type InputContent = Exclude<Extract<InputItem, { type: 'message' }>['content'], string>[number];

function isTypelessMessage(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !('type' in value) && 'role' in value;
}

/** Whether an item is still being produced, whole, or broken off. */
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** A part of an assistant message (specification: OutputTextContent, RefusalContent). */
export type OutputContent =
  | { type: 'output_text'; text: string; annotations: unknown[]; logprobs: unknown[] }
  | { type: 'refusal'; refusal: string };

/** A message of the model (specification: Message). */
export interface OutputMessage {
  type: 'message';
  id: string;
  status: ItemStatus;
  role: 'assistant';
  content: OutputContent[];
}

/** What the model thought (specification: ReasoningBody). */
export interface OutputReasoning {
  type: 'reasoning';
  id: string;
  status: ItemStatus;
  summary: { type: 'summary_text'; text: string }[];
  content: { type: 'reasoning_text'; text: string }[];
}

/** A call that the model makes (specification: FunctionCall). */
export interface OutputFunctionCall {
  type: 'function_call';
  id: string;
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
}

/** The output of a call that the server ran (specification: FunctionCallOutput). */
export interface OutputFunctionCallOutput {
  type: 'function_call_output';
  id: string;
  status: ItemStatus;
  call_id: string;
  output: string;
}

/** An item that a model step produces. */
export type ModelItem = OutputMessage | OutputReasoning | OutputFunctionCall;

/** An item of a response's `output`. */
export type OutputItem = ModelItem | OutputFunctionCallOutput;
