import { createHash } from 'node:crypto';
import { ApiError } from '@tailrace/protocol';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { LRUCache } from 'lru-cache';
import { runWithin, TookTooLong } from './bounded-run.ts';
import { compile, prepare, type Schema, UnusableSchema } from './dialect.ts';
import { quickChars } from './quick-check.ts';

/** Bounds of the checks of a process. */
export interface ToolArgumentsOptions {
  /** The most compiled schemas that are kept: memory, and nothing else. One that is not kept is compiled again. */
  schemas?: number;
  /** The most characters that a schema may have, as JSON. */
  schemaChars?: number;
  /**
   * The most characters that all of the kept ones may have: strangers' servers bring schemas along. As many as 32 of the largest
   * have, unless said.
   */
  keptChars?: number;
  /** Milliseconds for compiling a schema, and for checking arguments against it. Tried twice: the machine may have been busy. */
  ms?: number;
}

/** Arguments that a tool can be called with. */
export interface CheckedArguments {
  /** As the model wrote them; `{}` when it wrote nothing. */
  text: string;
  value: Record<string, unknown>;
}

/** The check that a schema stands for. */
interface Compiled {
  validate: ValidateFunction;
  /** How many characters of arguments may be checked without a clock. */
  quickChars: number;
}

/**
 * Milliseconds for which a schema that took too long is not looked at again. Fixed: it is long beside the time that a check may
 * take, and short beside the time that it takes to mend a schema.
 */
const AVOIDED_MS = 60_000;

/** The most mismatches that one error tells of. Fixed: a model that has mended these is told of the others. */
const TOLD = 5;

/** Checks what models write against what tools take. */
export class ToolArguments {
  readonly #schemaChars: number;
  readonly #ms: number;
  readonly #compiled: LRUCache<string, Compiled | UnusableSchema | TookTooLong>;

  constructor(options: ToolArgumentsOptions = {}) {
    const { schemas = 1_000, schemaChars = 256 * 1024, keptChars = 32 * schemaChars, ms = 1_000 } = options;
    this.#schemaChars = schemaChars;
    this.#ms = ms;
    this.#compiled = new LRUCache({ max: schemas, maxSize: keptChars });
  }

  /**
   * The arguments in `text`, if they are an object that `schema` allows. Null allows any.
   * @throws ApiError `tool_invalid_arguments`, `tool_arguments_mismatch`, `tool_schema_unusable`
   */
  check(text: string, schema: Schema | null): CheckedArguments {
    const checked = parse(text);
    if (schema === null) return checked;
    try {
      const { key, validate, quickChars } = this.#compiledOf(schema);
      const fits = () => validate(checked.value);
      if (!(checked.text.length <= quickChars ? fits() : this.#within(key, fits))) {
        throw new ApiError('tool_arguments_mismatch', { reason: mismatches(validate.errors ?? []) });
      }
      return checked;
    } catch (error) {
      // The stack ends where arguments are nested as deep as a schema that refers to itself lets them be.
      if (error instanceof RangeError) {
        throw new ApiError('tool_arguments_mismatch', { reason: 'they are nested too deep' }, { cause: error });
      }
      if (!(error instanceof UnusableSchema) && !(error instanceof TookTooLong)) throw error;
      throw new ApiError('tool_schema_unusable', { reason: error.message }, { cause: error });
    }
  }

  #compiledOf(schema: Schema): Compiled & { key: string } {
    const json = JSON.stringify(schema);
    if (json.length > this.#schemaChars) throw new UnusableSchema(`it is larger than ${this.#schemaChars} characters`);
    const key = createHash('sha256').update(json).digest('base64');
    const known = this.#compiled.get(key) ?? this.#compile(key, schema, json);
    this.#compiled.set(key, known, { noUpdateTTL: true, size: json.length });
    if (known instanceof Error) throw known;
    return { key, ...known };
  }

  #compile(key: string, schema: Schema, json: string): Compiled | UnusableSchema {
    prepare(schema);
    return this.#within(key, () => compiled(schema, json));
  }

  #within<T>(key: string, work: () => T): T {
    try {
      return runWithin(this.#ms, work);
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
    }
    try {
      return runWithin(this.#ms, work);
    } catch (error) {
      if (error instanceof TookTooLong) this.#compiled.set(key, error, { ttl: AVOIDED_MS, size: 1 });
      throw error;
    }
  }
}

/** Why it cannot be used is remembered as well. */
function compiled(schema: Schema, json: string): Compiled | UnusableSchema {
  try {
    return { validate: compile(schema), quickChars: quickChars(json) };
  } catch (error) {
    if (error instanceof UnusableSchema) return error;
    throw error;
  }
}

function parse(text: string): CheckedArguments {
  if (text.trim() === '') return { text: '{}', value: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError('tool_invalid_arguments', { reason }, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('tool_invalid_arguments', { reason: 'it is something else' });
  }
  return { text, value: value as Record<string, unknown> };
}

function mismatches(errors: readonly ErrorObject[]): string {
  const told = errors
    .slice(0, TOLD)
    .map((error) => `${place(error)} ${error.message ?? error.keyword}${detail(error)}`);
  const more = errors.length - told.length;
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function place({ instancePath }: ErrorObject): string {
  return instancePath === '' ? 'the object' : instancePath;
}

/** What the library leaves out of its messages, and a model needs. */
function detail({ keyword, params }: ErrorObject): string {
  if (keyword === 'additionalProperties') return ` (${String(params.additionalProperty)})`;
  if (keyword === 'enum') return ` ${JSON.stringify(params.allowedValues)}`;
  if (keyword === 'const') return ` ${JSON.stringify(params.allowedValue)}`;
  return '';
}
