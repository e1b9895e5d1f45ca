/** Which request this is: `number` counts the server's requests, `nonce` (hex) tells servers apart. */
export interface RequestIdentity {
  nonce: string;
  number: number;
}

/** The identity as hex digits, for the ids of an answer; with an `index`, that of one thing in it. */
export function identityHex({ nonce, number }: RequestIdentity, index?: number): string {
  return `${nonce}${hex(number, 8)}${index === undefined ? '' : hex(index, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
