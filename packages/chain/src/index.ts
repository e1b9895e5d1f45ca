/** The chain: its steps, what follows from them, and what they amount to. Pure; no I/O. */
export {
  type AcceptedRequest,
  type Agent,
  type ApprovalPolicy,
  type ApprovedCall,
  hasEnded,
  isStored,
  type McpMemory,
  type McpServer,
  type ResponseRecord,
  type ServerTool,
  type SubmittedRequest,
} from './accepted.ts';
export { liveCalls } from './answer.ts';
export { assemble, initialResource, outputOf, type PlacedItem, usageOf } from './assemble.ts';
export { attemptOf, isOfLaterMessage, messageOf, nextMessageAttempt } from './attempt.ts';
export { closeItem } from './close-item.ts';
export type { Transition, TransitionContext } from './entry.ts';
export { needsRecall, recall } from './mcp-memory.ts';
export { allows, needsApproval } from './mcp-server.ts';
export type { CheckArguments, NewStep } from './new-steps.ts';
export { type Action, nextAction, outputTokensLeft } from './next-action.ts';
export { heldBackTools, mcpServerOf, type Offered, offerOf, parametersOf } from './offer.ts';
export { project } from './project.ts';
export { type Prompt, type PromptTool, prompt } from './prompt.ts';
export { type OpenCompaction, type PromptItem, promptItems, type Turn } from './prompt-items.ts';
export { type AgentPlace, agentPlaceOf, contextWindowOf, progressEvent, stepsBelow, timeLimitOf } from './scope.ts';
export {
  type FinishReason,
  isScopeStep,
  isTerminal,
  type McpAct,
  type McpTool,
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
export { toolOutputText } from './tool-item.ts';
export {
  begin,
  cancel,
  expire,
  expireScope,
  type Published,
  type PublishedInScope,
  recordOutcome,
  type StepOutcome,
} from './transition.ts';
export { type CountTokens, fitPrompt } from './truncate.ts';
export { itemsOfTurns, turnItems } from './turn-items.ts';
export { wholeItemEvents } from './whole-item.ts';
