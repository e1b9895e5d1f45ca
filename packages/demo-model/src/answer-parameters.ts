import { type AnswerFormat, type Refusal, refuse } from './model-request.ts';
import { isRecord } from './record.ts';

const maxTopLogprobs = 20;

/** The number of alternatives that `top_logprobs` asks for, 0 to 20; null where log probabilities are not `wanted`. */
export function readTopLogprobs(value: unknown, wanted: boolean): { ok: true; topLogprobs: number | null } | Refusal {
  if (value === undefined || value === null) return { ok: true, topLogprobs: wanted ? 0 : null };
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > maxTopLogprobs) {
    return refuse(`'top_logprobs' must be an integer from 0 to ${maxTopLogprobs}.`, 'top_logprobs');
  }
  return { ok: true, topLogprobs: wanted ? Number(value) : null };
}

/** The first of the values that is a positive integer; null where none is. */
export function readMaxTokens(...values: unknown[]): number | null {
  const value = values.find((one) => Number.isInteger(one) && Number(one) > 0);
  return value === undefined ? null : Number(value);
}

/** The answer's format; `schemaIn` finds the schema in a format of type `json_schema`. */
export function readFormat(format: unknown, schemaIn: (format: Record<string, unknown>) => unknown): AnswerFormat {
  if (!isRecord(format)) return 'text';
  if (format.type === 'json_schema') return { schema: schemaIn(format) };
  return format.type === 'json_object' ? 'json' : 'text';
}
