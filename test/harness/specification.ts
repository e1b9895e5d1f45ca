/** The second validation: a JSON-schema validator over the specification document that `OPENRESPONSES_SPEC` names. */
import { readFileSync } from 'node:fs';
import type { ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** The schemas of a specification document, by their names there. */
export interface Specification {
  /** What is wrong with a value; empty when nothing is. */
  problems(schema: string, value: unknown): string[];
  /** The name of the schema of an event; undefined for a type that the document does not know. */
  eventSchema(type: string): string | undefined;
}

/** At most so many problems of one value are told. */
const TOLD = 6;

/** The document that the environment names; undefined when it names none. */
export function namedSpecification({ OPENRESPONSES_SPEC: path }: NodeJS.ProcessEnv): Specification | undefined {
  if (path === undefined || path === '') return undefined;
  return specification(JSON.parse(readFileSync(path, 'utf8')));
}

/** The schemas of an OpenAPI 3.1 document. */
export function specification(document: object): Specification {
  // The document has keywords (discriminator, x-…) and formats that are no assertions of JSON Schema.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema(document, 'specification');
  const events = eventSchemas(document);
  return {
    eventSchema: (type) => events.get(type),
    problems(schema, value) {
      const check = ajv.getSchema(`specification#/components/schemas/${schema}`);
      if (!check) throw new Error(`the specification document has no schema ${schema}`);
      return check(value) ? [] : told(check.errors ?? []);
    },
  };
}

/** Of a value that fits no branch of a union, the complaints that got furthest into it say what is wrong. */
function told(errors: readonly ErrorObject[]): string[] {
  const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;
  const byDepth = errors.toSorted((a, b) => depth(b) - depth(a));
  const lines = byDepth.map(({ instancePath, message, params }) => {
    return `${instancePath || '/'} ${message} ${JSON.stringify(params)}`;
  });
  return [...new Set(lines)].slice(0, TOLD);
}

function eventSchemas(document: object): Map<string, string> {
  const { schemas } = (document as { components: { schemas: Record<string, Schema> } }).components;
  return new Map(
    Object.entries(schemas).flatMap(([name, { properties }]) => {
      if (!name.endsWith('StreamingEvent')) return [];
      const { enum: types, const: only } = properties?.type ?? {};
      return [...(types ?? []), ...(only === undefined ? [] : [only])].map((type) => [type, name] as const);
    }),
  );
}

interface Schema {
  properties?: { type?: { enum?: string[]; const?: string } };
}
