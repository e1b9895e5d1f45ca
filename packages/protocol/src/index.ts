/** The API as data: what a client may send, what it gets, and every error there is. No I/O. */
export * from './errors.ts';
export * from './events.ts';
export * from './fold.ts';
export * from './ids.ts';
export * from './items.ts';
export * from './request.ts';
export * from './response.ts';
export * from './validate.ts';
