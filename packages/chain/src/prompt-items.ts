/** The conversation that chains and the turns before them amount to, as a model is told it. Pure. */
import { errorInfo, type InputContent, type KeptItem } from '@tailrace/protocol';
import { liveCalls, spokenText } from './answer.ts';
import { callableName } from './offer.ts';
import { openerOf, taskOf } from './scope.ts';
import { type ModelResult, type Scope, type Step, stepsOf, type ToolStep } from './step.ts';
import { approvalIdOf, toolOutputText } from './tool-item.ts';

/** An item of what a model is told. Call ids are the upstream's own, where it made the call. */
export type PromptItem =
  | {
      type: 'message';
      role: 'user' | 'assistant' | 'system' | 'developer';
      content: string | InputContent[];
      phase?: 'commentary' | 'final_answer';
    }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }
  | { type: 'function_call_output'; call_id: string; output: string | InputContent[] }
  | { type: 'reasoning'; summary: string[]; content: string[]; encrypted_content: string | null };

/** Something that was said earlier: items as they are, and what a response made of them. */
export interface Turn {
  items: readonly KeptItem[];
  chain: readonly Step[];
}

/** The text in a compaction item. */
export type OpenCompaction = (encrypted: string) => string;

/** Everything that was said, in its order. */
export function promptItems(turns: readonly Turn[], open: OpenCompaction): PromptItem[] {
  const ids = new Map(turns.flatMap(({ chain }) => upstreamCallIds(chain)));
  const asked = new Map(turns.flatMap(approvalRequests));
  return inRounds(
    turns.flatMap(({ items, chain }) => [
      ...items.flatMap((item) => givenItem(item, ids, asked, open)),
      ...scopeItems(chain, null, ids),
    ]),
  );
}

/** What was said in an agent's scope: its task, and what came of it so far. */
export function agentItems(chain: readonly Step[], scope: Scope): PromptItem[] {
  const opener = openerOf(chain, scope);
  if (opener === null) return [];
  const task: PromptItem = { type: 'message', role: 'user', content: taskOf(opener) };
  return [task, ...inRounds(scopeItems(chain, scope, new Map(upstreamCallIds(chain))))];
}

/** A call with its output, where neither is told without the other. */
interface WholeCall {
  type: 'whole_call';
  call_id: string;
  name: string;
  arguments: string;
  output: string;
}

/** Model servers want each output right after the calls of its round: a whole call joins the round that is open. */
function inRounds(items: readonly (PromptItem | WholeCall)[]): PromptItem[] {
  const told: PromptItem[] = [];
  const open = new Set<string>();
  let lastCall = -1;
  for (const item of items) {
    if (item.type !== 'whole_call') {
      told.push(item);
      if (item.type === 'function_call') {
        open.add(item.call_id);
        lastCall = told.length - 1;
      }
      if (item.type === 'function_call_output') open.delete(item.call_id);
      continue;
    }
    const { call_id, name, arguments: text, output } = item;
    const place = open.size > 0 ? lastCall + 1 : told.length;
    told.splice(place, 0, { type: 'function_call', call_id, name, arguments: text });
    told.push({ type: 'function_call_output', call_id, output });
    lastCall = place;
  }
  return told;
}

type CallIds = ReadonlyMap<string, string>;

function upstreamCallIds(chain: readonly Step[]): [string, string][] {
  return chain.flatMap((step) => {
    if (step.kind !== 'model_call' || step.outcome.state !== 'completed') return [];
    return step.outcome.result.items.flatMap(({ item, upstream_call_id }): [string, string][] =>
      item.type === 'function_call' && upstream_call_id ? [[item.call_id, upstream_call_id]] : [],
    );
  });
}

interface AskedCall {
  name: string;
  arguments: string;
}

/** The calls that clients were asked to approve, by the ids of the requests. */
function approvalRequests({ items, chain }: Turn): [string, AskedCall][] {
  return [
    ...items.flatMap((item): [string, AskedCall][] =>
      item.type === 'mcp_approval_request'
        ? [[item.id, { name: callableName(item.name), arguments: item.arguments }]]
        : [],
    ),
    ...chain.flatMap((step): [string, AskedCall][] =>
      step.kind === 'tool_call' && isQuestion(step)
        ? [[approvalIdOf(step), { name: step.request.tool, arguments: step.request.arguments }]]
        : [],
    ),
  ];
}

function givenItem(
  item: KeptItem,
  ids: CallIds,
  asked: ReadonlyMap<string, AskedCall>,
  open: OpenCompaction,
): (PromptItem | WholeCall)[] {
  switch (item.type) {
    case 'message': {
      const { type, role, content, phase } = item;
      return [{ type, role, content, ...(phase ? { phase } : {}) }];
    }
    case 'function_call': {
      const { type, call_id, name, arguments: text } = item;
      return [{ type, call_id: ids.get(call_id) ?? call_id, name, arguments: text }];
    }
    case 'function_call_output': {
      const { type, call_id, output } = item;
      return [{ type, call_id: ids.get(call_id) ?? call_id, output }];
    }
    case 'reasoning':
      return [
        {
          type: item.type,
          summary: item.summary.map((part) => part.text),
          content: (item.content ?? []).map((part) => part.text),
          encrypted_content: item.encrypted_content ?? null,
        },
      ];
    case 'compaction': {
      const summary = open(item.encrypted_content);
      return [{ type: 'message', role: 'user', content: `Summary of the conversation so far:\n\n${summary}` }];
    }
    // The tools of a server are told as tools.
    case 'mcp_list_tools':
      return [];
    case 'mcp_call': {
      const { id: call_id, name, arguments: text, error } = item;
      const output = item.output ?? (error === null ? '' : JSON.stringify({ error }));
      return [{ type: 'whole_call', call_id, name: callableName(name), arguments: text, output }];
    }
    // What was approved is told when it has been called, and what nobody has answered not at all.
    case 'mcp_approval_request':
      return [];
    case 'mcp_approval_response': {
      const call = asked.get(item.approval_request_id);
      if (item.approve || call === undefined) return [];
      const error = errorInfo('approval_denied', { reason: item.reason ?? 'without a reason' });
      const output = JSON.stringify({ error });
      return [{ type: 'whole_call', call_id: item.approval_request_id, ...call, output }];
    }
  }
}

/** What was said in one scope, the calls that have to be approved left out: they are told once they have been answered. */
function scopeItems(chain: readonly Step[], scope: Scope, ids: CallIds): (PromptItem | WholeCall)[] {
  const steps = stepsOf(chain, scope);
  const questions = new Set(
    steps.flatMap((step) => (step.kind === 'tool_call' && isQuestion(step) ? [step.request.call_id] : [])),
  );
  return steps.flatMap((step) => {
    if (step.kind === 'tool_call') return callItems(step, ids);
    return step.outcome.state === 'completed' ? answerItems(step.outcome.result, ids, questions) : [];
  });
}

function isQuestion(step: ToolStep): boolean {
  return step.request.mcp?.do === 'ask';
}

function callItems(step: ToolStep, ids: CallIds): (PromptItem | WholeCall)[] {
  const { call_id, mcp, tool, arguments: text } = step.request;
  const answered: PromptItem = {
    type: 'function_call_output',
    call_id: ids.get(call_id) ?? call_id,
    output: toolOutputText(step),
  };
  switch (mcp?.do) {
    case undefined:
      return [answered];
    case 'list':
    case 'ask':
      return [];
    case 'call':
      if (mcp.approval === null) return [answered];
      // No model of this turn has made the call.
      return [{ type: 'whole_call', call_id, name: callableName(tool), arguments: text, output: toolOutputText(step) }];
  }
}

/** What a model call produced, its text in one piece before its calls, as upstreams expect it back. */
function answerItems(result: ModelResult, ids: CallIds, questions: ReadonlySet<string>): PromptItem[] {
  const reasoning = result.items.flatMap(({ item, superseded }): PromptItem[] => {
    if (superseded || item.type !== 'reasoning') return [];
    const { type, summary, content, encrypted_content } = item;
    const texts = (parts: readonly { text: string }[]) => parts.map((part) => part.text);
    const encrypted = encrypted_content ?? null;
    return [{ type, summary: texts(summary), content: texts(content), encrypted_content: encrypted }];
  });
  const text = spokenText(result);
  const calls = liveCalls(result)
    .filter(({ call_id }) => !questions.has(call_id))
    .map(({ call_id, name, arguments: json }): PromptItem => {
      return { type: 'function_call', call_id: ids.get(call_id) ?? call_id, name, arguments: json };
    });
  return [
    ...reasoning,
    ...(text === '' ? [] : [{ type: 'message' as const, role: 'assistant' as const, content: text }]),
    ...calls,
  ];
}
