/** Which servers keep, as a cluster, what they have acknowledged. */
import type { ServerInfo } from '@nats-io/nats-core';

/** The oldest release in a cluster of which the fault suite loses nothing: `[major, minor]`. */
const PROVEN = [2, 14] as const;

/**
 * Whether a server is a member of a cluster, and older than what is known to keep everything there: 2.9.10 loses messages
 * that it has acknowledged when all members are killed at once.
 */
export function isDoubtfulMember({ version, cluster }: Pick<ServerInfo, 'version' | 'cluster'>): boolean {
  if (cluster === undefined) return false;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < PROVEN[0] || (major === PROVEN[0] && minor < PROVEN[1]);
}
