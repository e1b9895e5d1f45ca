/** The chain: its steps, what follows from them, and what they amount to. Pure; no I/O. */
export { type AcceptedRequest, hasEnded, type ResponseRecord, type ServerTool } from './accepted.ts';
export { assemble, initialResource, outputOf, type PlacedItem, toolOutputText, usageOf } from './assemble.ts';
export {
  type ChatMessage,
  type ChatPart,
  type ChatRequest,
  type ChatToolCall,
  chatMessages,
  chatRequest,
  type Turn,
} from './conversation.ts';
export { type Action, liveCalls, type NewStep, nextAction, outputTokensLeft } from './next-action.ts';
export { project, wholeItemEvents } from './project.ts';
export {
  type FinishReason,
  isTerminal,
  type ModelCallRequest,
  type ModelResult,
  type ModelStep,
  type Outcome,
  type RecordedItem,
  type Scope,
  type Step,
  stepsOf,
  type ToolCallRequest,
  type ToolResult,
  type ToolStep,
} from './step.ts';
export { begin, recordOutcome, type StepOutcome, type Transition, type TransitionContext } from './transition.ts';
