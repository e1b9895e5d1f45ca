import type { ResponseId } from '@tailrace/protocol';
import { type Kysely, type Selectable, sql } from 'kysely';
import type {
  HttpAnalyticsTable,
  ResponseStepsTable,
  ResponsesTable,
  Tables,
  ToolCallAnalyticsTable,
} from '../schema.ts';

/** A response as its timeline shows it. */
export type TimelineResponse = Pick<
  Selectable<ResponsesTable>,
  'id' | 'owner' | 'key_name' | 'status' | 'created_at' | 'ended_at'
>;

/** A step without what was said in it. */
export type TimelineStep = Pick<
  Selectable<ResponseStepsTable>,
  'id' | 'parent_step_id' | 'kind' | 'state' | 'sequence' | 'attempt' | 'created_at' | 'started_at'
> & {
  /** The model's or the tool's name. */
  name: string;
  ended_at: Date | null;
};

/** Part of a response's timeline. */
export interface Timeline {
  response: TimelineResponse;
  /** A page of steps in their order, and one more where there is one. */
  steps: TimelineStep[];
  /** The calls that were made for these steps, in the order of their beginnings. */
  modelCalls: Selectable<HttpAnalyticsTable>[];
  toolCalls: Selectable<ToolCallAnalyticsTable>[];
}

/** The steps of a response whose sequence is above `after`, with their calls; undefined when there is no such response. */
export async function readTimeline(
  database: Kysely<Tables>,
  id: ResponseId,
  page: { after: number; limit: number },
): Promise<Timeline | undefined> {
  const response = await database
    .selectFrom('responses')
    .select(['id', 'owner', 'key_name', 'status', 'created_at', 'ended_at'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!response) return undefined;
  const steps = await timelineStepsQuery(database, id, page).execute();
  const ids = steps.map((step) => step.id);
  const [modelCalls, toolCalls] = await Promise.all([
    stepCallsQuery(database, 'http_analytics', id, ids).execute(),
    stepCallsQuery(database, 'tool_call_analytics', id, ids).execute(),
  ]);
  return { response, steps, modelCalls, toolCalls } as Timeline;
}

/** The steps of a page, and one more. */
export function timelineStepsQuery(database: Kysely<Tables>, id: ResponseId, page: { after: number; limit: number }) {
  return database
    .selectFrom('response_steps')
    .select(['id', 'parent_step_id', 'kind', 'state', 'sequence', 'attempt', 'created_at', 'started_at'])
    .select([
      sql<string>`coalesce(request_payload->>'model', request_payload->>'tool')`.as('name'),
      sql<Date | null>`coalesce(completed_at, failed_at, canceled_at)`.as('ended_at'),
    ])
    .where('response_id', '=', id)
    .where('sequence', '>', page.after)
    .orderBy('sequence')
    .limit(page.limit + 1);
}

/** The calls of some of a response's steps. */
export function stepCallsQuery(
  database: Kysely<Tables>,
  table: 'http_analytics' | 'tool_call_analytics',
  id: ResponseId,
  steps: readonly string[],
) {
  return database
    .selectFrom(table)
    .selectAll()
    .where('response_id', '=', id)
    .where('response_step_id', '=', sql<string>`ANY(${steps}::uuid[])`)
    .orderBy('started_at')
    .orderBy('attempt')
    .orderBy('call');
}
