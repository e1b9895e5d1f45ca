import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import type { AllowList } from './address.ts';
import { GuardedFetchError } from './error.ts';

/** All addresses of a host, as `dns.promises.lookup` with `all` finds them. */
export type LookupAll = (host: string) => Promise<{ address: string; family: number }[]>;

/**
 * Opens the connections of an agent. The address is checked here and nowhere else: what a name meant a moment ago, or is said
 * to mean, is of no use, since it can change before the connection is made.
 */
export function guardedConnector(allow: AllowList, lookup: LookupAll, connectMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: connectMs, lookup: guardedLookup(allow, lookup) });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    // Sockets look nothing up for a host that is an address.
    if (isIP(host) !== 0 && !allow.permits(host)) callback(forbidden(host), null);
    else connect(options, callback);
  };
}

function guardedLookup(allow: AllowList, lookup: LookupAll): LookupFunction {
  return (host, options, callback) => {
    lookup(host).then(
      (found) => {
        const [first] = found;
        if (!first) callback(new GuardedFetchError('unreachable', `'${host}' has no address`), '', 0);
        // One address that must not be reached is enough: a name that has it is not one of the world's.
        else if (!allow.hasHost(host) && !found.every(({ address }) => allow.permits(address))) {
          callback(forbidden(host), '', 0);
        } else if (options.all) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };
}

function forbidden(host: string): GuardedFetchError {
  return new GuardedFetchError('forbidden_address', `'${host}' is not at an address that may be reached`);
}
