/** Bad networks and bad weather between two parts. */
export type { Pace, ProxyMode } from './pace.ts';
export { startProxy, type TcpProxy } from './proxy.ts';
export { type Storm, type StormFront, startStormFront } from './storm-front.ts';
export type { Address } from './wire.ts';
