import { isRecord } from './record.ts';

/** A value that a schema allows. */
export interface Instance {
  value: unknown;
}

type Schema = Record<string, unknown>;

const maxDepth = 64;
const maxSchemas = 10_000;
const maxItems = 1_000;
const maxCharacters = 10_000;

const formats: Record<string, string> = {
  date: '2026-01-01',
  time: '12:00:00Z',
  'date-time': '2026-01-01T12:00:00Z',
  duration: 'P1D',
  email: 'demo@example.com',
  hostname: 'example.com',
  ipv4: '127.0.0.1',
  ipv6: '::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/**
 * A small instance of a JSON schema: only required properties, as few items as may be, the first of alternatives that
 * has an end. Patterns are not looked at, and of parts (`allOf`) that say different things the last counts. Null where there is none, or none within the bounds.
 */
export function minimalInstance(schema: unknown): Instance | null {
  return new InstanceBuilder(schema).build(schema);
}

class InstanceBuilder {
  readonly #root: unknown;
  /** The schemas inside which the present one is: one that is there again would go on without an end. */
  readonly #open = new Set<Schema>();
  #schemas = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  build(schema: unknown): Instance | null {
    if (schema === true) return { value: 'demo' };
    if (!isRecord(schema) || this.#open.has(schema) || this.#open.size === maxDepth) return null;
    this.#schemas += 1;
    if (this.#schemas > maxSchemas) return null;
    this.#open.add(schema);
    const instance = this.#instanceOf(schema);
    this.#open.delete(schema);
    return instance;
  }

  #instanceOf(schema: Schema): Instance | null {
    if (typeof schema.$ref === 'string') return this.build(this.#target(schema.$ref));
    if ('const' in schema) return { value: schema.const };
    if (Array.isArray(schema.enum)) return schema.enum.length > 0 ? { value: schema.enum[0] } : null;
    const alternatives = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(alternatives)) return this.#firstOf(alternatives);
    if (Array.isArray(schema.allOf)) return this.build(this.#merged(schema, schema.allOf));
    switch (Array.isArray(schema.type) ? (schema.type as unknown[])[0] : (schema.type ?? impliedType(schema))) {
      case 'object':
        return this.#object(schema);
      case 'array':
        return this.#array(schema);
      case 'string':
        return stringOf(schema);
      case 'integer':
        return numberOf(schema, true);
      case 'number':
        return numberOf(schema, false);
      case 'boolean':
        return { value: true };
      case 'null':
        return { value: null };
      default:
        return null;
    }
  }

  #firstOf(alternatives: unknown[]): Instance | null {
    for (const alternative of alternatives) {
      const instance = this.build(alternative);
      if (instance !== null) return instance;
    }
    return null;
  }

  #object(schema: Schema): Instance | null {
    const properties = isRecord(schema.properties) ? schema.properties : {};
    const entries: [string, unknown][] = [];
    for (const name of Array.isArray(schema.required) ? (schema.required as unknown[]) : []) {
      if (typeof name !== 'string') return null;
      const instance = this.build(Object.hasOwn(properties, name) ? properties[name] : true);
      if (instance === null) return null;
      entries.push([name, instance.value]);
    }
    return { value: Object.fromEntries(entries) };
  }

  #array(schema: Schema): Instance | null {
    const count = numberIn(schema.minItems) ?? 0;
    if (count > maxItems) return null;
    const items: unknown[] = [];
    while (items.length < count) {
      const instance = this.build(schema.items ?? true);
      if (instance === null) return null;
      items.push(instance.value);
    }
    return { value: items };
  }

  /** One schema with the properties and requirements of all parts. */
  #merged({ allOf: _, ...rest }: Schema, parts: unknown[]): Schema | null {
    const merged: Schema = { ...rest };
    for (const part of parts) {
      const schema = isRecord(part) && typeof part.$ref === 'string' ? this.#target(part.$ref) : part;
      if (!isRecord(schema)) return null;
      const properties = [merged.properties, schema.properties].filter(isRecord);
      const required = [merged.required, schema.required].filter(Array.isArray).flat();
      Object.assign(merged, schema);
      if (properties.length > 0) merged.properties = Object.assign({}, ...properties);
      if (required.length > 0) merged.required = [...new Set(required)];
    }
    return merged;
  }

  /** What a reference into the same document points at; undefined where there is nothing. */
  #target(reference: string): unknown {
    if (reference === '#') return this.#root;
    if (!reference.startsWith('#/')) return undefined;
    let target: unknown = this.#root;
    for (const word of reference.slice(2).split('/')) {
      const key = word.replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) return undefined;
      target = (target as Schema)[key];
    }
    return target;
  }
}

function impliedType(schema: Schema): string {
  if ('properties' in schema || 'required' in schema) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

function stringOf(schema: Schema): Instance | null {
  const known = typeof schema.format === 'string' ? formats[schema.format] : undefined;
  if (known !== undefined) return { value: known };
  const least = numberIn(schema.minLength) ?? 0;
  const most = numberIn(schema.maxLength) ?? maxCharacters;
  if (least > maxCharacters) return null;
  return { value: 'demo'.padEnd(least, 'demo').slice(0, most) };
}

/** 0, or the number nearest to it within the bounds. */
function numberOf(schema: Schema, whole: boolean): Instance | null {
  const multiple = numberIn(schema.multipleOf);
  const step = Math.abs(multiple ?? 1) || 1;
  const low = numberIn(schema.minimum) ?? numberIn(schema.exclusiveMinimum);
  const high = numberIn(schema.maximum) ?? numberIn(schema.exclusiveMaximum);
  const fits = (value: number) =>
    value >= (numberIn(schema.minimum) ?? -Infinity) &&
    value > (numberIn(schema.exclusiveMinimum) ?? -Infinity) &&
    value <= (numberIn(schema.maximum) ?? Infinity) &&
    value < (numberIn(schema.exclusiveMaximum) ?? Infinity);
  const candidates = [0];
  if (low !== undefined) candidates.push(Math.ceil(low / step) * step, (Math.floor(low / step) + 1) * step);
  if (high !== undefined) candidates.push(Math.floor(high / step) * step, (Math.ceil(high / step) - 1) * step);
  if (low !== undefined && high !== undefined && !whole && multiple === undefined) candidates.push((low + high) / 2);
  const value = candidates.find(fits);
  return value === undefined ? null : { value: value + 0 };
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
