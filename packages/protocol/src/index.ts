/** The API as data: what a client may send, what it gets, and every error there is. No I/O. */
export {
  addItemsBody,
  type ConversationResource,
  conversationResource,
  createConversationBody,
  deletedConversation,
  updateConversationBody,
} from './conversation.ts';
export { ApiError, ERRORS, type ErrorCode, type ErrorInfo, errorInfo, errorPayload, toEnvelope } from './errors.ts';
export {
  type ContentPart,
  EVENT_SCHEMAS,
  type EventType,
  type ItemEvent,
  type ResponseEvent,
  TERMINAL_EVENTS,
  type UnnumberedEvent,
} from './events.ts';
export { FoldError, foldEvents, foldItems, isModelItem } from './fold.ts';
export {
  type ConversationId,
  hexOf,
  idempotentResponseId,
  itemId,
  newId,
  parseConversationId,
  parseItemId,
  parseResponseId,
  publicConversationId,
  publicResponseId,
  publicStepId,
  type ResponseId,
  type StepId,
} from './ids.ts';
export { type InputContent, type InputFile, type InputItem, inputItem, type KeptItem } from './input-items.ts';
export {
  type ListedItem,
  type ListPage,
  type ListQuery,
  listedItem,
  listedItems,
  listPage,
  listQuery,
  pageOf,
} from './item-list.ts';
export type {
  Annotation,
  ItemStatus,
  LogProb,
  ModelItem,
  OutputContent,
  OutputFunctionCall,
  OutputFunctionCallOutput,
  OutputItem,
  OutputMcpApprovalRequest,
  OutputMcpCall,
  OutputMcpListTools,
  OutputMessage,
  OutputReasoning,
  ToolItem,
} from './items.ts';
export {
  type CreateResponseBody,
  compactBody,
  createResponseBody,
  type FunctionToolParam,
  inputTokensBody,
  type McpToolParam,
  type TextFormat,
  type ToolChoice,
  webSocketCreateEvent,
} from './request.ts';
export {
  type CompactResource,
  compactResource,
  errorEnvelope,
  inputTokensResource,
  modelList,
  modelResource,
  webSocketErrorEvent,
} from './resources.ts';
export {
  deletedResponse,
  type EchoedFormat,
  type EchoedTool,
  type IncompleteReason,
  type ResponseResource,
  type ResponseStatus,
  responseResource,
  type Usage,
} from './response.ts';
export { validate } from './validate.ts';
