/** What a request amounts to, given what its key may use. Pure; decided once, and kept with the response. */
import type { AcceptedRequest } from '@tailrace/chain';
import {
  ApiError,
  type CreateResponseBody,
  type InputItem,
  parseResponseId,
  type ResponseId,
} from '@tailrace/protocol';
import type { RegisteredKey, RegistryView } from '@tailrace/registry';

/** A request that can be handed to the orchestrator. */
export interface Acceptable {
  request: AcceptedRequest;
  previousResponseId: ResponseId | null;
}

/**
 * Resolves a valid body against the registry.
 * @throws ApiError for a model or a tool name that this key cannot use so, and for what the body says of itself in vain.
 */
export function acceptRequest(
  body: CreateResponseBody,
  key: RegisteredKey,
  registry: RegistryView,
  maxIterations: number,
): Acceptable {
  const model = body.model;
  if (!registry.modelFor(key.groups, model)) throw new ApiError('model_not_found', { model }, { param: 'model' });
  const serverTools = registry.toolsFor(key.groups, model);
  checkToolNames(body, new Set(serverTools.map((tool) => tool.name)));
  const input = inputItems(body);
  const { stream: _stream, stream_options: _options, ...kept } = body;
  return {
    request: {
      body: { ...kept, input },
      server_tools: serverTools.map(({ name, description, parameters }) => ({ name, description, parameters })),
      max_iterations: maxIterations,
    },
    previousResponseId: previousId(body),
  };
}

function inputItems(body: CreateResponseBody): InputItem[] {
  if (typeof body.input === 'string') return [{ type: 'message', role: 'user', content: body.input }];
  if (body.input.length === 0 && (body.previous_response_id ?? null) === null) {
    throw new ApiError('missing_required_parameter', { param: 'input' }, { param: 'input' });
  }
  return body.input;
}

function checkToolNames(body: CreateResponseBody, taken: ReadonlySet<string>): void {
  const names = new Set<string>();
  body.tools?.forEach(({ name }, index) => {
    const param = `tools[${index}].name`;
    if (taken.has(name)) throw new ApiError('tool_name_taken', { name }, { param });
    if (names.has(name)) throw new ApiError('duplicate_tool_name', { name }, { param });
    names.add(name);
  });
  const choice = body.tool_choice;
  if (typeof choice !== 'object' || choice === null) {
    if (choice === 'required' && names.size + taken.size === 0) {
      const detail = { param: 'tool_choice', reason: 'there are no tools to choose from' };
      throw new ApiError('invalid_value', detail, { param: 'tool_choice' });
    }
    return;
  }
  const chosen = choice.type === 'function' ? [choice.name] : choice.tools.map((tool) => tool.name);
  const unknown = chosen.find((name) => !names.has(name) && !taken.has(name));
  if (unknown === undefined) return;
  const detail = { param: 'tool_choice', reason: `there is no tool named '${unknown}'` };
  throw new ApiError('invalid_value', detail, { param: 'tool_choice' });
}

function previousId(body: CreateResponseBody): ResponseId | null {
  const { previous_response_id } = body;
  if (previous_response_id === null || previous_response_id === undefined) return null;
  const id = parseResponseId(previous_response_id);
  if (id) return id;
  const detail = { id: previous_response_id };
  throw new ApiError('previous_response_not_found', detail, { param: 'previous_response_id' });
}
