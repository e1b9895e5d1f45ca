/** The chain: its steps, what follows from them, and what they amount to. Pure; no I/O. */
export {
  type AcceptedRequest,
  hasEnded,
  isStored,
  type ResponseRecord,
  type ServerTool,
  type SubmittedRequest,
} from './accepted.ts';
export { assemble, initialResource, outputOf, type PlacedItem, toolOutputText, usageOf } from './assemble.ts';
export { attemptOf, isOfLaterMessage, nextMessageAttempt } from './attempt.ts';
export { closeItem } from './close-item.ts';
export { type Action, liveCalls, type NewStep, nextAction, outputTokensLeft } from './next-action.ts';
export { project } from './project.ts';
export {
  type OpenCompaction,
  type Prompt,
  type PromptItem,
  type PromptTool,
  prompt,
  promptItems,
  type Turn,
} from './prompt.ts';
export {
  type FinishReason,
  isTerminal,
  type ModelCallRequest,
  type ModelResult,
  type ModelStep,
  type Outcome,
  type RecordedItem,
  resultOf,
  type Scope,
  type Step,
  stepsOf,
  type ToolCallRequest,
  type ToolResult,
  type ToolStep,
} from './step.ts';
export {
  begin,
  cancel,
  expire,
  type Published,
  recordOutcome,
  type StepOutcome,
  type Transition,
  type TransitionContext,
} from './transition.ts';
export { type CountTokens, fitPrompt } from './truncate.ts';
export { itemsOfTurns, turnItems } from './turn-items.ts';
export { wholeItemEvents } from './whole-item.ts';
