import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

/** Of IPv6, only this is given out to the world (RFC 4291); what else is free today may mean anything tomorrow. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** The well-known prefix of NAT64 (RFC 6052): an address in it is the IPv4 address in its last 32 bits. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Looks public, and is the host of an Azure machine: it hands out the machine's configuration. */
const AZURE_HOST = '168.63.129.16';

/** The addresses and the host names that an operator lets through. */
export class AllowList {
  readonly #ranges: Range[] = [];
  readonly #hosts = new Set<string>();

  /**
   * @param entries Each an address, a CIDR, or a host name
   * @throws RangeError for what is none of them
   */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const range = rangeOf(entry);
      if (range) this.#ranges.push(range);
      else this.#hosts.add(hostName(entry));
    }
  }

  /** Whether a host is allowed by its name, wherever it is. */
  hasHost(host: string): boolean {
    return this.#hosts.has(withoutDot(host.toLowerCase()));
  }

  /** Whether an address may be connected to: because it is public, or because the operator says so. */
  permits(address: string): boolean {
    const real = addressOf(address);
    return real !== null && (isPublic(real) || this.#ranges.some((range) => contains(range, real)));
  }
}

/**
 * The address that packets to `text` go to; null if it is none, or has a zone, which only addresses have that are not public.
 * The library reads more than sockets do (`10.1`), and some differently (`::8.8.8.8`), so it gets only what both read alike.
 */
function addressOf(text: string): Address | null {
  switch (isIP(text)) {
    case 4:
      return ipaddr.parse(text);
    case 6: {
      const host = URL.parse(`http://[${text}]`)?.hostname;
      return host === undefined ? null : unwrapped(ipaddr.parse(host.slice(1, -1)));
    }
    default:
      return null;
  }
}

/** The IPv4 address that an IPv6 address stands for, where packets to it arrive at that one. */
function unwrapped(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (address.match(NAT64)) return new ipaddr.IPv4(address.toByteArray().slice(-4));
  return address;
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv6 ? address.match(GLOBAL_UNICAST) : address.toString() !== AZURE_HOST;
}

function contains([base, bits]: Range, address: Address): boolean {
  return base.kind() === address.kind() && address.match(base, bits);
}

function rangeOf(entry: string): Range | null {
  if (ipaddr.isValidCIDR(entry)) return ipaddr.parseCIDR(entry);
  const address = addressOf(entry.replace(/^\[(.*)\]$/, '$1'));
  return address && [address, address.kind() === 'ipv4' ? 32 : 128];
}

function hostName(entry: string): string {
  const name = withoutDot(entry.toLowerCase());
  if (!/^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name)) {
    throw new RangeError(`'${entry}' is no address, no CIDR and no host name`);
  }
  return name;
}

/** `example.com.` and `example.com` are the same host. */
function withoutDot(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
