/** Requests for tables, and what is said of those that are refused. */
import type { z } from 'zod';
import { ApiError, validate } from '../src/index.ts';

/** The error that `schema` refuses `value` with. */
export function refusalOf(schema: z.ZodType, value: unknown): { code: string; param: string | null; message: string } {
  try {
    validate(schema, value);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

/** A request with these fields. */
export const body = (fields: object) => ({ model: 'm', input: 'hi', ...fields });

/** A request with these items as its input. */
export const item = (...items: unknown[]) => body({ input: items });

/** A request with one message of the user. */
export const user = (content: unknown) => item({ type: 'message', role: 'user', content });
