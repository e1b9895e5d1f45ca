/** The editions of JSON Schema, each with the class of the library that speaks it. */
import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';

/** A JSON schema that is an object. */
export type Schema = Record<string, unknown>;

/** A schema cannot be used; its message says why. */
export class UnusableSchema extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, { cause });
    this.name = 'UnusableSchema';
  }
}

type Options = NonNullable<ConstructorParameters<typeof Ajv>[0]>;

const COMPILING: Options = {
  strict: false,
  allErrors: true,
  logger: false,
  // An instance holds one schema, which has been checked by then.
  validateSchema: false,
  // What is referred to a thousand times is compiled once.
  inlineRefs: false,
  code: { regExp: Object.assign(regExp, { code: 'regExp' }) },
};

// Loading the library takes a tenth of a process's start, and many a process never meets a schema.
const load = createRequire(import.meta.url);
const formats = () => load('ajv-formats') as typeof import('ajv-formats');

class Dialect {
  readonly #library: () => new (options: Options) => Ajv;
  #judge: Ajv | undefined;

  constructor(library: () => new (options: Options) => Ajv) {
    this.#library = library;
  }

  make(options: Options): Ajv {
    return new (this.#library())(options);
  }

  /** Judges schemas; made once, since that takes a while. */
  judge(): Ajv {
    if (this.#judge === undefined) {
      const judge = this.make({ strict: false, logger: false });
      // What takes longest is compiling the schema of schemas.
      void judge.validateSchema({});
      this.#judge = judge;
    }
    return this.#judge;
  }
}

const DRAFT_07 = new Dialect(() => (load('ajv') as typeof import('ajv')).Ajv);
const DRAFT_2019 = new Dialect(() => (load('ajv/dist/2019.js') as typeof import('ajv/dist/2019.js')).Ajv2019);
const DRAFT_2020 = new Dialect(() => (load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')).Ajv2020);

/** What a schema may be: what it says of itself, or the newest one that it fits. */
function dialectsOf({ $schema }: Schema): Dialect[] {
  if (typeof $schema !== 'string') return [DRAFT_2020, DRAFT_07];
  if (/draft-0[67]/.test($schema)) return [DRAFT_07];
  return [$schema.includes('2019-09') ? DRAFT_2019 : DRAFT_2020];
}

/** Makes once what compiling such a schema needs, so that none of a schema's own time is spent on it. */
export function prepare(schema: Schema): void {
  formats();
  for (const dialect of dialectsOf(schema)) dialect.judge();
}

/**
 * The check that a schema stands for.
 * @throws UnusableSchema
 */
export function compile(schema: Schema): ValidateFunction {
  const { $schema: _said, ...bare } = schema;
  const dialects = dialectsOf(schema);
  const chosen = dialects.find((dialect) => dialect.judge().validateSchema(bare) === true);
  if (!chosen) throw new UnusableSchema(reasonOf(dialects.at(-1)));
  let check: ValidateFunction;
  try {
    const ajv = chosen.make(COMPILING);
    // With the libraries' types as they are, the plug-in is the module's member of that name.
    formats().default(ajv);
    check = ajv.compile(bare);
  } catch (error) {
    throw new UnusableSchema(error instanceof Error ? error.message : String(error), error);
  }
  if ('$async' in check) throw new UnusableSchema('it is an asynchronous one');
  return check;
}

function reasonOf(dialect: Dialect | undefined): string {
  const judge = dialect?.judge();
  return judge?.errorsText(judge.errors, { dataVar: 'schema' }) ?? 'it is of no known dialect';
}

/** Patterns are Unicode ones; those of other languages often are not, and mean the same without. */
function regExp(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (error) {
    if (error instanceof SyntaxError) return new RegExp(pattern);
    throw error;
  }
}
