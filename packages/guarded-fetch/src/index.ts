/** HTTP to addresses that a request has named: never to what only this machine or its network can reach. */
export { GuardedFetchError, type GuardedFetchErrorCode } from './error.ts';
export {
  type FetchedAnswer,
  GuardedFetch,
  type GuardedFetchOptions,
  type GuardedPost,
  type GuardedRequest,
  type LookupAll,
  type OpenAnswer,
} from './guarded-fetch.ts';
