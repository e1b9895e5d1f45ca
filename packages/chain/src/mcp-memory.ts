/**
 * What a request finds, in the turns before it, of MCP servers: what they can do, so that nobody has to ask them again, and
 * the calls that its input approves. Decided once, when the request is accepted, and kept with it. Pure.
 */
import { ApiError, type KeptItem } from '@tailrace/protocol';
import type { AcceptedRequest, ApprovedCall, McpMemory } from './accepted.ts';
import { addressOf } from './mcp-server.ts';
import type { Turn } from './prompt-items.ts';
import type { McpTool, Step } from './step.ts';
import { approvalIdOf } from './tool-item.ts';

/** Whether what was said before a response matters to {@link recall}. What has been recalled once stays as it is. */
export function needsRecall({ mcp_servers = [], mcp_memory, body }: AcceptedRequest): boolean {
  if (mcp_memory !== undefined) return false;
  return mcp_servers.length > 0 || body.input.some((item) => item.type === 'mcp_approval_response');
}

/**
 * The request with what its history, oldest turn first, and its own items tell.
 * @throws ApiError `approval_request_not_found` for an answer to what nobody has asked, or to what has been answered;
 * `mcp_server_not_found` for a call of a server that the request does not name.
 */
export function recall(request: AcceptedRequest, history: readonly Turn[]): AcceptedRequest {
  const recollection = new Recollection(request);
  for (const { items, chain } of history) {
    for (const item of items) recollection.item(item);
    for (const step of chain.toSorted((a, b) => a.sequence - b.sequence)) recollection.step(step);
  }
  for (const item of request.context ?? []) recollection.item(item);
  request.body.input.forEach((item, index) => {
    recollection.input(item, `input[${index}]`);
  });
  const memory = recollection.memory();
  return memory.lists.length + memory.approved.length === 0 ? request : { ...request, mcp_memory: memory };
}

class Recollection {
  readonly #servers: NonNullable<AcceptedRequest['mcp_servers']>;
  readonly #lists = new Map<string, McpTool[]>();
  readonly #waiting = new Map<string, ApprovedCall>();
  /** With what the client calls the answer. */
  readonly #approved = new Map<string, { call: ApprovedCall; param: string }>();

  constructor({ mcp_servers = [] }: AcceptedRequest) {
    this.#servers = mcp_servers;
  }

  /** An item that was said earlier. What was answered then was dealt with then. */
  item(item: KeptItem): void {
    switch (item.type) {
      case 'mcp_list_tools': {
        // Of a server that only agents use, a client has nothing to say.
        const ours = this.#servers.some((server) => server.label === item.server_label && !server.inner);
        if (ours && item.error === null) this.#lists.set(item.server_label, item.tools);
        return;
      }
      case 'mcp_approval_request': {
        const { id: approval, server_label: server, name, arguments: text } = item;
        this.#waiting.set(approval, { approval, server, name, arguments: text });
        return;
      }
      case 'mcp_approval_response':
        this.#waiting.delete(item.approval_request_id);
        return;
      case 'mcp_call':
        this.#made(item.approval_request_id);
        return;
      case 'message':
      case 'function_call':
      case 'function_call_output':
      case 'reasoning':
      case 'compaction':
        return;
    }
  }

  /** A step of an earlier response. */
  step(step: Step): void {
    if (step.kind === 'model_call') return;
    const { mcp, arguments: text } = step.request;
    switch (mcp?.do) {
      case undefined:
        return;
      case 'list': {
        const same = this.#servers.some((server) => server.label === mcp.server && addressOf(server) === mcp.at);
        const { outcome } = step;
        if (same && outcome.state === 'completed') this.#lists.set(mcp.server, outcome.result.tools ?? []);
        return;
      }
      case 'ask': {
        const approval = approvalIdOf(step);
        this.#waiting.set(approval, { approval, server: mcp.server, name: mcp.name, arguments: text });
        return;
      }
      case 'call':
        this.#made(mcp.approval);
        return;
    }
  }

  /** An item of the request's input; `param` is what the client calls it. */
  input(item: KeptItem, param: string): void {
    if (item.type !== 'mcp_approval_response') {
      this.item(item);
      return;
    }
    const id = item.approval_request_id;
    const call = this.#waiting.get(id);
    if (call === undefined) throw new ApiError('approval_request_not_found', { id }, { param });
    this.#waiting.delete(id);
    if (item.approve) this.#approved.set(id, { call, param });
  }

  /** @throws ApiError `mcp_server_not_found` */
  memory(): McpMemory {
    const lists = [...this.#lists].flatMap(([server, tools]) => {
      const names = new Set(tools.map((tool) => tool.name));
      const allowed = this.#servers.find(({ label }) => label === server)?.allowed_tools ?? [];
      // An item shows no more than was allowed then. What is allowed now and not in it may be there all the same.
      return allowed.every((name) => names.has(name)) ? [{ server, tools }] : [];
    });
    const approved = [...this.#approved.values()].map(({ call, param }) => {
      if (this.#servers.some(({ label, inner }) => label === call.server && !inner)) return call;
      throw new ApiError('mcp_server_not_found', { label: call.server }, { param });
    });
    return { lists, approved };
  }

  #made(approval: string | null): void {
    if (approval === null) return;
    this.#waiting.delete(approval);
    this.#approved.delete(approval);
  }
}
