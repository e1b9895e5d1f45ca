/** The item that clients see of a tool step, and its events. Pure. */
import { errorInfo, type ItemEvent, itemId, type ToolItem } from '@tailrace/protocol';
import type { McpAct, McpTool, ToolStep } from './step.ts';

/** The item as it stands: in progress until the step has ended. */
export function toolItem(step: ToolStep): ToolItem {
  const { mcp } = step.request;
  switch (mcp?.do) {
    case undefined:
      return functionOutput(step);
    case 'list':
      return listedTools(step, mcp);
    case 'call':
      return mcpCall(step, mcp);
    case 'ask':
      return {
        type: 'mcp_approval_request',
        id: approvalIdOf(step),
        server_label: mcp.server,
        name: mcp.name,
        arguments: step.request.arguments,
      };
  }
}

/** The id of the approval request that a step is. */
export function approvalIdOf(step: ToolStep): string {
  return itemId('mcp_approval_request', step.id, 0);
}

/** What the model reads as the output of a call: the tool's output, or its error. Empty while the call runs. */
export function toolOutputText({ outcome }: ToolStep): string {
  switch (outcome.state) {
    case 'completed':
      return outcome.result.output;
    case 'failed':
      return JSON.stringify({ error: outcome.error });
    case 'canceled':
      return JSON.stringify({ error: errorInfo('response_cancelled') });
    case 'pending':
    case 'processing':
      return '';
  }
}

/** The events of the item's beginning; `index` is its `output_index`. */
export function openingEvents(step: ToolStep, index: number): ItemEvent[] {
  const item = toolItem(step);
  const at = { item_id: item.id, output_index: index };
  const added = (begun: ToolItem): ItemEvent => ({
    type: 'response.output_item.added',
    output_index: index,
    item: begun,
  });
  switch (item.type) {
    case 'function_call_output':
      return [added({ ...item, output: '', status: 'in_progress' })];
    case 'mcp_approval_request':
      return [added(item)];
    case 'mcp_list_tools':
      return [added({ ...item, tools: [], error: null }), { type: 'response.mcp_list_tools.in_progress', ...at }];
    case 'mcp_call': {
      const { arguments: text } = item;
      return [
        added({ ...item, status: 'in_progress', arguments: '', output: null, error: null }),
        { type: 'response.mcp_call.in_progress', ...at },
        ...(text === '' ? [] : [{ type: 'response.mcp_call_arguments.delta' as const, ...at, delta: text }]),
        { type: 'response.mcp_call_arguments.done', ...at, arguments: text },
      ];
    }
  }
}

/** The events of the item's end. */
export function closingEvents(step: ToolStep, index: number): ItemEvent[] {
  const item = toolItem(step);
  const at = { item_id: item.id, output_index: index };
  const done: ItemEvent = { type: 'response.output_item.done', output_index: index, item };
  switch (item.type) {
    case 'function_call_output':
    case 'mcp_approval_request':
      return [done];
    case 'mcp_list_tools':
      return [{ type: `response.mcp_list_tools.${item.error === null ? 'completed' : 'failed'}`, ...at }, done];
    case 'mcp_call':
      switch (item.status) {
        case 'completed':
        case 'failed':
          return [{ type: `response.mcp_call.${item.status}`, ...at }, done];
        case 'in_progress':
        case 'incomplete':
          return [done];
      }
  }
}

function functionOutput(step: ToolStep): ToolItem {
  const { call_id } = step.request;
  const base = { type: 'function_call_output', id: itemId('function_call_output', step.id, 0), call_id } as const;
  switch (step.outcome.state) {
    case 'pending':
    case 'processing':
      return { ...base, output: '', status: 'in_progress' };
    case 'canceled':
      return { ...base, output: '', status: 'incomplete' };
    case 'completed':
    case 'failed':
      return { ...base, output: toolOutputText(step), status: 'completed' };
  }
}

function listedTools({ id, outcome }: ToolStep, { server }: McpAct): ToolItem {
  const list = (tools: McpTool[], error: string | null): ToolItem => {
    return { type: 'mcp_list_tools', id: itemId('mcp_list_tools', id, 0), server_label: server, tools, error };
  };
  switch (outcome.state) {
    case 'pending':
    case 'processing':
      return list([], null);
    case 'completed':
      return list(outcome.result.tools ?? [], null);
    case 'failed':
      return list([], outcome.error.message);
    case 'canceled':
      return list([], errorInfo('response_cancelled').message);
  }
}

function mcpCall({ id, request, outcome }: ToolStep, act: Extract<McpAct, { do: 'call' }>): ToolItem {
  const call = {
    type: 'mcp_call',
    id: itemId('mcp_call', id, 0),
    server_label: act.server,
    name: act.name,
    arguments: request.arguments,
    output: null,
    error: null,
    approval_request_id: act.approval,
  } as const;
  switch (outcome.state) {
    case 'pending':
    case 'processing':
      return { ...call, status: 'in_progress' };
    case 'completed':
      return { ...call, status: 'completed', output: outcome.result.output };
    case 'failed':
      return { ...call, status: 'failed', error: outcome.error.message };
    case 'canceled':
      return { ...call, status: 'incomplete' };
  }
}
