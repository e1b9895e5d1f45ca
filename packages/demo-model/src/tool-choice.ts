import type { OfferedTool } from './model-request.ts';
import { isRecord } from './record.ts';

/** The tools that may be called, and whether one of them must be; or what is wrong with the choice. */
export type ToolChoice = { ok: true; tools: OfferedTool[]; mustCall: boolean } | { ok: false; message: string };

/** Reads `tool_choice` as both dialects word it; what is no choice known here counts as `auto`. */
export function readToolChoice(choice: unknown, offered: OfferedTool[]): ToolChoice {
  if (choice === 'none') return { ok: true, tools: [], mustCall: false };
  if (choice === 'required') return oneOf(offered);
  if (!isRecord(choice)) return { ok: true, tools: offered, mustCall: false };
  if (choice.type === 'allowed_tools') {
    const { mode, tools } = isRecord(choice.allowed_tools) ? choice.allowed_tools : choice;
    const names = new Set(Array.isArray(tools) ? (tools as unknown[]).map(functionName) : []);
    const allowed = offered.filter((tool) => names.has(tool.name));
    return mode === 'required' ? oneOf(allowed) : { ok: true, tools: allowed, mustCall: false };
  }
  if (choice.type !== 'function') return { ok: true, tools: offered, mustCall: false };
  const name = functionName(choice);
  return oneOf(offered.filter((tool) => tool.name === name));
}

function oneOf(tools: OfferedTool[]): ToolChoice {
  if (tools.length > 0) return { ok: true, tools, mustCall: true };
  return { ok: false, message: "'tool_choice' asks for a tool that is not among 'tools'." };
}

function functionName(value: unknown): unknown {
  if (!isRecord(value)) return undefined;
  return isRecord(value.function) ? value.function.name : value.name;
}
