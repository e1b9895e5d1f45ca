/** Which methods the known paths take. Pure. */

/** The routes of a server, by their patterns: `/v1/responses/:id`, `/v1/models/*`. */
export class RouteMethods {
  readonly #routes: { method: string; path: RegExp }[] = [];

  add(method: string, pattern: string): void {
    const source = pattern
      .split('/')
      .map((part) => {
        if (part === '*') return '.+';
        return part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      })
      .join('/');
    this.#routes.push({ method, path: new RegExp(`^${source}$`) });
  }

  /** The methods that a path takes, in alphabetical order; none for an unknown one. */
  of(path: string): string[] {
    return [...new Set(this.#routes.filter((route) => route.path.test(path)).map(({ method }) => method))].sort();
  }
}
