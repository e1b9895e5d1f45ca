/** What an operator can ask of what was called. */
import { type AdminOperation, pathParameter } from '../admin/operation.ts';
import { latencies, latencyList } from './latencies.ts';
import { spanQuery } from './span-query.ts';
import { timeline, timelineQuery, timelineResource } from './timeline.ts';
import { usage, usageList } from './usage.ts';

const tag = 'Analytics';

/** See the file's head. */
export const ANALYTICS_OPERATIONS: readonly AdminOperation[] = [
  {
    method: 'get',
    path: '/admin/v1/usage',
    id: 'getUsage',
    tag,
    summary: 'What was called, by whom, and what it cost',
    description:
      'Calls of models and tools that began in a span of time, counted and summed up by what `group_by` names. Every call ' +
      'counts once, retries and failovers too; its tokens count where its upstream has told them. Lines add up to the whole: ' +
      'what has no value of a group (a tool has no model) has a line of its own, with null.',
    query: spanQuery,
    answer: { name: 'UsageList', schema: usageList },
    errors: [],
    handle: (context, request) => usage(context, request.query),
  },
  {
    method: 'get',
    path: '/admin/v1/latencies',
    id: 'getLatencies',
    tag,
    summary: 'How long models and tools take',
    description:
      'Percentiles of calls that began in a span of time and came to a good end. Models and tools are never mixed.',
    query: spanQuery,
    answer: { name: 'LatencyList', schema: latencyList },
    errors: [],
    handle: (context, request) => latencies(context, request.query),
  },
  {
    method: 'get',
    path: '/admin/v1/responses/{id}/timeline',
    id: 'getTimeline',
    tag,
    summary: 'What happened for a response, step by step and call by call',
    description:
      'Whoever owns it. Steps are told at every depth, in the order in which they were added; nothing of what was said.',
    query: timelineQuery,
    answer: { name: 'ResponseTimeline', schema: timelineResource },
    errors: ['response_not_found'],
    handle: (context, request) => timeline(context, pathParameter(request, 'id'), request.query),
  },
];
