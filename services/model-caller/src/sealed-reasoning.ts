/** Reasoning that this server has sealed, because the upstream has no such form of its own. */
import type { Sealer } from '@tailrace/registry';

/** What upstreams seal themselves is base64 or a token: it has no such beginning. */
const PREFIX = 'tailrace:';

/** Seals what a model thought. */
export function sealReasoning(sealer: Sealer, reasoning: string): string {
  return `${PREFIX}${sealer.seal(JSON.stringify({ reasoning }))}`;
}

/** Whether an upstream can read encrypted reasoning: not when this server has sealed it. */
export function isUpstreams(encrypted: string): boolean {
  return !encrypted.startsWith(PREFIX);
}
