/** The API as data: what a client may send, what it gets, and every error there is. No I/O. */
export { ApiError, ERRORS, type ErrorCode, type ErrorInfo, errorInfo, toEnvelope } from './errors.ts';
export { type ResponseEvent, TERMINAL_EVENTS, type UnnumberedEvent } from './events.ts';
export { FoldError, foldEvents, foldItems } from './fold.ts';
export {
  hexOf,
  idempotentResponseId,
  itemId,
  newId,
  parseResponseId,
  publicResponseId,
  type ResponseId,
  type StepId,
} from './ids.ts';
export type {
  InputContent,
  InputItem,
  ItemStatus,
  ModelItem,
  OutputContent,
  OutputFunctionCall,
  OutputFunctionCallOutput,
  OutputItem,
  OutputMessage,
  OutputReasoning,
} from './items.ts';
export { type CreateResponseBody, createResponseBody, type ToolChoice } from './request.ts';
export type { EchoedTool, IncompleteReason, ResponseResource, ResponseStatus, Usage } from './response.ts';
export { validate } from './validate.ts';
