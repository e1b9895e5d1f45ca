/** Items as lists show them: the input of a response, the items of a conversation. */
import { z } from 'zod';
import { itemId } from './ids.ts';
import type { InputContent, KeptItem } from './input-items.ts';

/** A page of a list, as all lists of the API are. */
export const listPage = z.strictObject({
  object: z.literal('list'),
  data: z.array(z.looseObject({ type: z.string(), id: z.string() })),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
export type ListPage = z.output<typeof listPage>;

/** The query of a list. */
export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: z.string().optional(),
  include: z.unknown().optional(),
  'include[]': z.unknown().optional(),
});
export type ListQuery = z.output<typeof listQuery>;

/** An item in its full form: with its id, its status and its content as parts. */
export type ListedItem = { type: KeptItem['type']; id: string } & Record<string, unknown>;

/** The items that `origin` was given, in their full form. Of two with one id, the later one gets another. */
export function listedItems(items: readonly KeptItem[], origin: string): ListedItem[] {
  const seen = new Set<string>();
  return items.map((item, position) => {
    const repeated = item.id !== null && item.id !== undefined && seen.has(item.id);
    const id = repeated ? itemId(item.type, origin, position) : item.id;
    const listed = listedItem(item, origin, position, id);
    seen.add(listed.id);
    return listed;
  });
}

/** The item at `position` among those that `origin` was given, in its full form. */
export function listedItem(item: KeptItem, origin: string, position: number, known = item.id): ListedItem {
  const id = known ?? itemId(item.type, origin, position);
  switch (item.type) {
    case 'message': {
      const { role, content, phase } = item;
      const parts = typeof content === 'string' ? [textPart(role, content)] : content.map(shownPart);
      const shownPhase = phase === null || phase === undefined ? {} : { phase };
      return { type: item.type, id, status: item.status ?? 'completed', role, content: parts, ...shownPhase };
    }
    case 'function_call': {
      const { call_id, name, arguments: text } = item;
      return { type: item.type, id, status: item.status ?? 'completed', call_id, name, arguments: text };
    }
    case 'function_call_output': {
      const output = typeof item.output === 'string' ? item.output : item.output.map(shownPart);
      return { type: item.type, id, status: item.status ?? 'completed', call_id: item.call_id, output };
    }
    case 'reasoning': {
      const { summary, content, encrypted_content } = item;
      const encrypted = encrypted_content ? { encrypted_content } : {};
      return { type: item.type, id, status: item.status ?? 'completed', summary, content: content ?? [], ...encrypted };
    }
    case 'compaction':
      return { type: item.type, id, encrypted_content: item.encrypted_content };
    case 'mcp_list_tools':
    case 'mcp_approval_request':
    case 'mcp_approval_response':
      return { ...item, id };
    case 'mcp_call':
      return { ...item, id, status: item.status ?? 'completed' };
  }
}

/** The page of a list that a query asks for; undefined when `after` names nothing in it. */
export function pageOf(items: readonly ListedItem[], query: ListQuery): ListPage | undefined {
  const ordered = query.order === 'asc' ? items : items.toReversed();
  const from = query.after === undefined ? 0 : ordered.findIndex((item) => item.id === query.after) + 1;
  if (query.after !== undefined && from === 0) return undefined;
  const data = ordered.slice(from, from + query.limit);
  return {
    object: 'list',
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + data.length < ordered.length,
  };
}

function textPart(role: string, text: string): object {
  return role === 'assistant' ? { type: 'output_text', text, annotations: [] } : { type: 'input_text', text };
}

function shownPart(part: InputContent): object {
  switch (part.type) {
    case 'input_text':
    case 'refusal':
      return part;
    case 'output_text': {
      const { type, text, annotations, logprobs } = part;
      return { type, text, annotations: annotations ?? [], ...(logprobs ? { logprobs } : {}) };
    }
    case 'input_image':
      return { ...part, detail: part.detail ?? 'auto' };
    case 'input_file': {
      // What the server has read out of the file is its own.
      const { text: _text, ...sent } = part;
      return Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== null && value !== undefined));
    }
  }
}
