import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** A secret as it is stored and published: AES-256-GCM under the installation's key, in base64. */
export type Sealed = string;

/** A secret was sealed under another key, or has been tampered with. */
export class UnsealError extends Error {
  constructor(cause: unknown) {
    super('a secret of the registry cannot be opened: is TAILRACE_SECRET_KEY the same in every service?', { cause });
    this.name = 'UnsealError';
  }
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Seals and opens the secrets of the registry with one passphrase or key of the installation. */
export class Sealer {
  readonly #key: Uint8Array;
  readonly #digestKey: Uint8Array;

  constructor(secret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'tailrace registry', 32));
    this.#digestKey = new Uint8Array(hkdfSync('sha256', secret, '', 'tailrace digest', 32));
  }

  seal(plain: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
  }

  /** Whether a secret was sealed with this key. */
  canOpen(sealed: Sealed): boolean {
    try {
      this.open(sealed);
      return true;
    } catch (error) {
      if (error instanceof UnsealError) return false;
      throw error;
    }
  }

  /** Tells whether two texts are the same, to those who have the key, and nothing to anybody else. */
  digest(text: string): string {
    return createHmac('sha256', this.#digestKey).update(text).digest('base64url');
  }

  /** @throws UnsealError */
  open(sealed: Sealed): string {
    try {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString(
        'utf8',
      );
    } catch (error) {
      throw new UnsealError(error);
    }
  }
}
