/** What a request amounts to, given what its key may use. Pure; decided once, and kept with the response. */
import type { ServerTool, SubmittedRequest } from '@tailrace/chain';
import {
  ApiError,
  type ConversationId,
  type CreateResponseBody,
  type InputItem,
  parseConversationId,
  parseResponseId,
  type ResponseId,
} from '@tailrace/protocol';
import type { RegisteredKey, RegisteredTool, RegistryView } from '@tailrace/registry';

/** A request that can be handed to the orchestrator. */
export interface Acceptable {
  request: SubmittedRequest;
  previousResponseId: ResponseId | null;
  conversationId: ConversationId | null;
}

/**
 * Resolves a valid body against the registry.
 * Without `serverTools` the model is offered the client's functions alone.
 * @throws ApiError for a model or a tool name that this key cannot use so, and for what the body says of itself in vain.
 */
export function acceptRequest(
  body: CreateResponseBody,
  key: RegisteredKey,
  registry: RegistryView,
  maxIterations: number,
  options: { serverTools: boolean } = { serverTools: true },
): Acceptable {
  const name = body.model;
  const model = registry.modelFor(key.groups, name);
  if (!model) throw new ApiError('model_not_found', { model: name }, { param: 'model' });
  const registered = options.serverTools ? registry.toolsFor(key.groups, name) : [];
  const serverTools = offeredTools(body, registered);
  checkToolChoice(body, serverTools);
  const previousResponseId = previousId(body);
  const conversationId = conversationIdOf(body);
  const input = inputItems(body);
  const { stream: _stream, stream_options: streaming, ...kept } = body;
  return {
    request: {
      body: { ...kept, input },
      server_tools: serverTools,
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

/** The server's tools that the model is offered, beside the client's own functions. */
function offeredTools(body: CreateResponseBody, registered: readonly RegisteredTool[]): ServerTool[] {
  const byName = new Map(registered.map((tool) => [tool.name, tool]));
  const names = new Set<string>();
  body.tools?.forEach(({ name }, index) => {
    const param = `tools[${index}].name`;
    if (byName.get(name)?.clientOverride === false) throw new ApiError('tool_name_taken', { name }, { param });
    if (names.has(name)) throw new ApiError('duplicate_tool_name', { name }, { param });
    names.add(name);
  });
  return registered
    .filter((tool) => !names.has(tool.name))
    .map(({ name, description, parameters }) => ({ name, description, parameters }));
}

function checkToolChoice(body: CreateResponseBody, serverTools: readonly ServerTool[]): void {
  const names = new Set([...(body.tools ?? []), ...serverTools].map((tool) => tool.name));
  const choice = body.tool_choice;
  if (typeof choice !== 'object' || choice === null) {
    if (choice === 'required' && names.size === 0) {
      const detail = { param: 'tool_choice', reason: 'there are no tools to choose from' };
      throw new ApiError('invalid_value', detail, { param: 'tool_choice' });
    }
    return;
  }
  const chosen = choice.type === 'function' ? [choice.name] : choice.tools.map((tool) => tool.name);
  const unknown = chosen.find((name) => !names.has(name));
  if (unknown !== undefined) throw new ApiError('tool_choice_unknown', { name: unknown }, { param: 'tool_choice' });
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
