import { type Address, type ProxyMode, startProxy, type TcpProxy } from '../proxy/index.ts';

/** What two parts reach each other by: a proxy for each address that the far part has. */
export class Link {
  /** `gateway 0 > nats` */
  readonly name: string;
  readonly #proxies: readonly TcpProxy[];
  readonly #urls: readonly string[];

  private constructor(name: string, proxies: readonly TcpProxy[], urls: readonly string[]) {
    this.name = name;
    this.#proxies = proxies;
    this.#urls = urls;
  }

  /** A link to the servers at `urls`. */
  static async to(name: string, ...urls: readonly string[]): Promise<Link> {
    const proxies = await Promise.all(urls.map((url) => startProxy({ to: addressOf(url) })));
    return new Link(name, proxies, urls);
  }

  /** The far part's URLs, by way of the link, separated by commas. */
  get url(): string {
    return this.#urls.map((url, index) => through(url, this.#proxies[index]?.port ?? 0)).join(',');
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#proxies.reduce((sum, proxy) => sum + proxy.connections, 0);
  }

  /** What the link does from now on. */
  mode(mode: ProxyMode): void {
    for (const proxy of this.#proxies) proxy.mode(mode);
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}

/** Where the server of a URL listens. */
export function addressOf(url: string): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function through(url: string, port: number): string {
  const at = new URL(url);
  at.hostname = '127.0.0.1';
  at.port = String(port);
  // Of an address without a path none is to be made up.
  return at.pathname === '/' && !url.endsWith('/') ? at.href.replace(/\/$/, '') : at.href;
}
