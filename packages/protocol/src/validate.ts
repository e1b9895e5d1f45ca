import type { z } from 'zod';
import { ApiError } from './errors.ts';

/**
 * A value checked by a schema, or the API's error that names the first parameter that is wrong.
 * @throws ApiError `missing_required_parameter`, `unknown_parameter` or `invalid_value`, with `param`.
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  throw toApiError(deepest(result.error.issues), value);
}

type Issue = z.core.$ZodIssue;

/** Of a union's branches the one that got furthest: it tells what the caller meant, and where it went wrong. */
function deepest(issues: Issue[]): Issue {
  const issue = issues[0];
  if (!issue) throw new Error('a failed check has at least one issue');
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const branches = issue.errors.filter((branch) => branch.length > 0).map(deepest);
  const best = branches.reduce<Issue | undefined>(
    (found, branch) => (!found || progress(branch) > progress(found) ? branch : found),
    undefined,
  );
  if (!best || progress(best) === 0) return issue;
  return { ...best, path: [...issue.path, ...best.path] };
}

/** How far a branch got: past the type of the value, then into its fields. */
function progress(issue: Issue): number {
  const depth = issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0);
  return 2 * depth + (issue.code === 'invalid_type' || issue.code === 'invalid_union' ? 0 : 1);
}

function toApiError(issue: Issue, value: unknown): ApiError {
  const path = issue.path;
  if (issue.code === 'unrecognized_keys') {
    const param = formatPath([...path, issue.keys[0] ?? '']);
    return new ApiError('unknown_parameter', { param }, { param });
  }
  const param = formatPath(path);
  if (path.length > 0 && valueAt(value, path) === undefined) {
    return new ApiError('missing_required_parameter', { param }, { param });
  }
  const reason = issue.message.replace(/\.$/, '');
  if (param === '') return new ApiError('invalid_value', { param: 'body', reason });
  return new ApiError('invalid_value', { param, reason }, { param });
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  );
}

function formatPath(path: PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
