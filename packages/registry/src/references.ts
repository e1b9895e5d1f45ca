/** `${env:NAME}` in a configuration: what stands in the environment, so that files hold no secrets. */

const REFERENCE = /\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** A reference to a variable that is not set. `path` leads to where it stands. */
export class UnsetVariable extends Error {
  readonly path: readonly PropertyKey[];

  constructor(variable: string, path: readonly PropertyKey[]) {
    super(`the environment has no ${variable}`);
    this.name = 'UnsetVariable';
    this.path = path;
  }
}

/**
 * A value with every reference in its texts resolved, at any depth.
 * @throws UnsetVariable
 */
export function resolveEnvironment(
  value: unknown,
  environment: NodeJS.ProcessEnv,
  path: readonly PropertyKey[] = [],
): unknown {
  if (typeof value === 'string') {
    return value.replace(REFERENCE, (_, variable: string) => {
      const set = environment[variable];
      if (set === undefined || set === '') throw new UnsetVariable(variable, path);
      return set;
    });
  }
  if (Array.isArray(value)) return value.map((each, index) => resolveEnvironment(each, environment, [...path, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, resolveEnvironment(each, environment, [...path, name])]),
  );
}
