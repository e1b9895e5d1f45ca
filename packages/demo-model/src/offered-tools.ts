import { type OfferedTool, type Refusal, refuse } from './model-request.ts';
import { isRecord } from './record.ts';

/**
 * The function tools of a request; others are left out. `definitionIn` finds a function's name and parameters in its
 * tool, which is where the dialects differ.
 */
export function readTools(
  tools: unknown,
  definitionIn: (tool: Record<string, unknown>) => unknown,
): { ok: true; tools: OfferedTool[] } | Refusal {
  const offered: OfferedTool[] = [];
  for (const [index, tool] of (Array.isArray(tools) ? (tools as unknown[]) : []).entries()) {
    if (!isRecord(tool)) return refuse(`Tool ${index} is not a tool.`, `tools[${index}]`);
    if (tool.type !== 'function') continue;
    const definition = definitionIn(tool);
    if (!isRecord(definition) || typeof definition.name !== 'string') {
      return refuse(`Tool ${index} is a function without a name.`, `tools[${index}]`);
    }
    offered.push({ name: definition.name, parameters: definition.parameters });
  }
  return { ok: true, tools: offered };
}
