/**
 * What clients are sent beyond the specification document: items, tools and events of MCP servers, which are OpenAI's, and
 * events under the project's own name. The project's schemas judge them; the document judges all the rest.
 */

/** Whether a value as a whole is nothing of the document: an item, a tool, or an event of such an item. */
export function isExtension(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { type, item } = value;
  if (typeof type !== 'string') return false;
  return /^(mcp$|mcp_|response\.mcp_|tailrace\.)/.test(type) || isExtension(item);
}

/** The value with nothing in it but what the document may know. */
export function withoutExtensions(value: unknown): unknown {
  if (!isObject(value)) return value;
  const { response, output, tools, tool_choice } = value;
  return {
    ...value,
    ...(isObject(response) ? { response: withoutExtensions(response) } : {}),
    ...(Array.isArray(output) ? { output: known(output) } : {}),
    ...(Array.isArray(tools) ? { tools: known(tools) } : {}),
    ...(tool_choice === undefined ? {} : { tool_choice: knownChoice(tool_choice) }),
  };
}

function knownChoice(choice: unknown): unknown {
  if (isExtension(choice)) return 'auto';
  if (!isObject(choice) || !Array.isArray(choice.tools)) return choice;
  const tools = known(choice.tools);
  return tools.length === 0 && choice.tools.length > 0 ? 'auto' : { ...choice, tools };
}

function known(list: readonly unknown[]): unknown[] {
  return list.filter((each) => !isExtension(each));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
