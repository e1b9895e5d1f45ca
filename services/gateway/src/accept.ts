/** What a request amounts to, given what its key may use. Pure; decided once, and kept with the response. */
import type { SubmittedRequest } from '@tailrace/chain';
import {
  ApiError,
  type ConversationId,
  type CreateResponseBody,
  type InputItem,
  parseConversationId,
  parseResponseId,
  type ResponseId,
} from '@tailrace/protocol';
import type { RegisteredKey, RegistryView } from '@tailrace/registry';
import type { Hiding } from './mcp-servers.ts';
import { type ToolScope, toolScope } from './tool-scope.ts';

/** A request that can be handed to the orchestrator. */
export interface Acceptable {
  request: SubmittedRequest;
  previousResponseId: ResponseId | null;
  conversationId: ConversationId | null;
}

/** What an installation lays down for every request, and what a request's headers say. */
export interface AcceptRules {
  /** The most model calls in one scope. */
  maxIterations: number;
  /** How deep agents may call agents. */
  maxDepth: number;
  /** Without them the model is offered what the client brings along, and nothing else. */
  serverTools: boolean;
  sealer: Hiding;
}

/**
 * Resolves a valid body against the registry.
 * @throws ApiError for a model or a tool name that this key cannot use so, and for what the body says of itself in vain.
 */
export function acceptRequest(
  body: CreateResponseBody,
  key: Pick<RegisteredKey, 'groups'>,
  registry: RegistryView,
  { maxIterations, maxDepth, serverTools: registered, sealer }: AcceptRules,
): Acceptable {
  const name = body.model;
  const model = registry.modelFor(key.groups, name);
  if (!model) throw new ApiError('model_not_found', { model: name }, { param: 'model' });
  const tools = toolScope(body, { groups: key.groups, registry, maxIterations, registered, sealer });
  checkToolChoice(body, tools);
  const previousResponseId = previousId(body);
  const conversationId = conversationIdOf(body);
  const input = inputItems(body);
  const { stream: _stream, stream_options: streaming, tools: given, ...kept } = body;
  return {
    request: {
      body: { ...kept, ...(given ? { tools: tools.functions } : {}), input },
      server_tools: tools.serverTools,
      ...(tools.innerTools.length === 0 ? {} : { inner_tools: tools.innerTools }),
      ...(tools.servers.length === 0 ? {} : { mcp_servers: tools.servers }),
      max_depth: maxDepth,
      max_iterations: maxIterations,
      ...(model.contextWindow === null ? {} : { context_window: model.contextWindow }),
      ...(streaming?.include_obfuscation ? { obfuscate: true } : {}),
    },
    previousResponseId,
    conversationId,
  };
}

function inputItems(body: CreateResponseBody): InputItem[] {
  const { input } = body;
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  const goesOn = (body.previous_response_id ?? null) !== null || (body.conversation ?? null) !== null;
  if ((input ?? []).length === 0 && !goesOn) {
    throw new ApiError('missing_required_parameter', { param: 'input' }, { param: 'input' });
  }
  return input ?? [];
}

function checkToolChoice(body: CreateResponseBody, { functions, serverTools, servers }: ToolScope): void {
  const names = new Set([...functions, ...serverTools].map((tool) => tool.name));
  // What a server offers is not known before it is asked.
  const labels = new Set(servers.filter(({ inner }) => !inner).map(({ label }) => label));
  const choice = body.tool_choice;
  if (typeof choice !== 'object' || choice === null) {
    if (choice === 'required' && names.size + labels.size === 0) {
      const detail = { param: 'tool_choice', reason: 'there are no tools to choose from' };
      throw new ApiError('invalid_value', detail, { param: 'tool_choice' });
    }
    return;
  }
  for (const chosen of choice.type === 'allowed_tools' ? choice.tools : [choice]) {
    const known = chosen.type === 'mcp' ? labels.has(chosen.server_label) : names.has(chosen.name);
    const name = chosen.type === 'mcp' ? chosen.server_label : chosen.name;
    if (!known) throw new ApiError('tool_choice_unknown', { name }, { param: 'tool_choice' });
  }
}

function previousId(body: CreateResponseBody): ResponseId | null {
  const { previous_response_id, conversation } = body;
  if (previous_response_id === null || previous_response_id === undefined) return null;
  if (conversation !== null && conversation !== undefined) {
    const detail = { param: 'previous_response_id', other: 'conversation' };
    throw new ApiError('mutually_exclusive', detail, { param: 'previous_response_id' });
  }
  const id = parseResponseId(previous_response_id);
  if (id) return id;
  const detail = { id: previous_response_id };
  throw new ApiError('previous_response_not_found', detail, { param: 'previous_response_id' });
}

function conversationIdOf({ conversation }: CreateResponseBody): ConversationId | null {
  if (conversation === null || conversation === undefined) return null;
  const publicId = typeof conversation === 'string' ? conversation : conversation.id;
  const id = parseConversationId(publicId);
  if (id) return id;
  throw new ApiError('conversation_not_found', { id: publicId }, { param: 'conversation' });
}
