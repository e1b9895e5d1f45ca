/** The editions of JSON Schema, each with the class of the library that speaks it. */
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

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

interface Dialect {
  make(options: Options): Ajv;
  /** Judges schemas; made once, since that takes a while. */
  judge: Ajv;
}

const dialect = (make: Dialect['make']): Dialect => {
  const judge = make({ strict: false, logger: false });
  // What takes longest is done before anybody waits for it.
  judge.validateSchema({});
  return { make, judge };
};
const DRAFT_07 = dialect((options) => new Ajv(options));
const DRAFT_2019 = dialect((options) => new Ajv2019(options));
const DRAFT_2020 = dialect((options) => new Ajv2020(options));

/** What a schema may be: what it says of itself, or the newest one that it fits. */
function dialectsOf({ $schema }: Schema): Dialect[] {
  if (typeof $schema !== 'string') return [DRAFT_2020, DRAFT_07];
  if (/draft-0[67]/.test($schema)) return [DRAFT_07];
  return [$schema.includes('2019-09') ? DRAFT_2019 : DRAFT_2020];
}

/**
 * The check that a schema stands for.
 * @throws UnusableSchema
 */
export function compile(schema: Schema): ValidateFunction {
  const { $schema: _said, ...bare } = schema;
  const dialects = dialectsOf(schema);
  const chosen = dialects.find(({ judge }) => judge.validateSchema(bare) === true);
  if (!chosen) throw new UnusableSchema(reasonOf(dialects.at(-1)));
  let check: ValidateFunction;
  try {
    const ajv = chosen.make(COMPILING);
    // With the libraries' types as they are, the plug-in is the module's member of that name.
    formats.default(ajv);
    check = ajv.compile(bare);
  } catch (error) {
    throw new UnusableSchema(error instanceof Error ? error.message : String(error), error);
  }
  if ('$async' in check) throw new UnusableSchema('it is an asynchronous one');
  return check;
}

function reasonOf(dialect: Dialect | undefined): string {
  return dialect?.judge.errorsText(dialect.judge.errors, { dataVar: 'schema' }) ?? 'it is of no known dialect';
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
