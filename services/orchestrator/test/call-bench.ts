/** A database with a response of one model step and one tool step, and what was booked in it. */
import type { CallNote, ToolCallMeasure, UpstreamCall } from '@tailrace/bus';
import { connectDatabase, type Database, migrate } from '@tailrace/database';
import { newId } from '@tailrace/protocol';
import { makeDatabase } from '../../../test/harness/database.ts';
import type { EndedReport } from '../src/analytics.ts';

/** The steps of a response. */
export interface SampleResponse {
  id: string;
  modelStep: string;
  toolStep: string;
}

/** See the file's head. */
export class CallBench {
  readonly database: Database;
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
    this.database = connectDatabase({
      url,
      name: 'test',
      connections: 4,
      prepare: true,
      timeoutMs: 10_000,
      onError: () => undefined,
    });
  }

  static async start(serverUrl: string): Promise<CallBench> {
    const url = await makeDatabase(serverUrl);
    await migrate(url);
    return new CallBench(url);
  }

  close(): Promise<void> {
    return this.database.destroy();
  }

  /** A response whose steps are open. */
  async response(owner = 'team', keyName = 'alice'): Promise<SampleResponse> {
    const now = Date.now();
    const [id, modelStep, toolStep] = [newId(now), newId(now), newId(now)];
    const at = new Date(now);
    await this.database
      .insertInto('responses')
      .values({
        id,
        owner,
        key_name: keyName,
        status: 'in_progress',
        request: '{}',
        entries: 1,
        next_event: 0,
        correlation_id: '0'.repeat(32),
        created_at: at,
        updated_at: at,
      } as never)
      .execute();
    const step = {
      response_id: id,
      parent_step_id: null,
      state: 'pending',
      attempt: 1,
      added_entry: 1,
      created_at: at,
    };
    const steps = [
      {
        ...step,
        id: modelStep,
        prev_step_id: null,
        kind: 'model_call',
        sequence: 0,
        request_payload: '{"model":"demo"}',
      },
      {
        ...step,
        id: toolStep,
        prev_step_id: modelStep,
        kind: 'tool_call',
        sequence: 1,
        request_payload: '{"tool":"pay"}',
      },
    ];
    await this.database
      .insertInto('response_steps')
      .values(steps as never)
      .execute();
    return { id, modelStep, toolStep };
  }

  /** Ends a step, and nothing else. */
  async end(response: SampleResponse, step: string): Promise<void> {
    await this.database
      .updateTable('response_steps')
      .set({ state: 'canceled', canceled_at: new Date(), ended_entry: 2 })
      .where('response_id', '=', response.id)
      .where('id', '=', step)
      .execute();
  }

  /** What is booked of models, in the order of the calls' beginnings. */
  models(responseId: string) {
    return this.database
      .selectFrom('http_analytics')
      .selectAll()
      .where('response_id', '=', responseId)
      .orderBy('started_at')
      .orderBy('attempt')
      .orderBy('call')
      .execute();
  }

  /** What is booked of tools, likewise. */
  tools(responseId: string) {
    return this.database
      .selectFrom('tool_call_analytics')
      .selectAll()
      .where('response_id', '=', responseId)
      .orderBy('started_at')
      .orderBy('attempt')
      .orderBy('call')
      .execute();
  }
}

/** A call of a model that went well. */
export function upstreamCall(change: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    mark: { id: newId(Date.now()), startedAt: Date.now() },
    model: 'demo',
    upstream: 'http://127.0.0.1:9100',
    upstreamModel: 'demo-1',
    status: 200,
    ttfbMs: 5,
    firstTokenMs: 9,
    durationMs: 50,
    errorCode: null,
    inputTokens: 20,
    cachedTokens: 4,
    outputTokens: 11,
    reasoningTokens: 2,
    cost: 0.000_042,
    ...change,
  };
}

/** The report of a model step with these calls. */
export function modelReport(response: SampleResponse, calls: UpstreamCall[], attempt = 1): EndedReport {
  return {
    kind: 'model_call',
    responseId: response.id,
    stepId: response.modelStep,
    attempt,
    startedAt: Date.now(),
    endedAt: Date.now(),
    correlationId: '0'.repeat(32),
    result: null,
    error: null,
    log: { streamSeq: 1, nextEvent: 1, cursor: 1 },
    events: 0,
    calls,
  };
}

/** The report of a tool step with these calls. */
export function toolReport(response: SampleResponse, calls: ToolCallMeasure[], attempt = 1): EndedReport {
  return {
    kind: 'tool_call',
    responseId: response.id,
    stepId: response.toolStep,
    attempt,
    startedAt: Date.now(),
    endedAt: Date.now(),
    correlationId: '0'.repeat(32),
    outcome: { result: { output: 'done' } },
    calls,
  };
}

/** The note of a call of the model step, or of the tool step. */
export function noteOf(response: SampleResponse, kind: 'model' | 'tool', change: Partial<CallNote> = {}): CallNote {
  const startedAt = Date.now();
  const upstream = { model: 'demo', upstream: 'http://127.0.0.1:9100', upstreamModel: 'demo-1' };
  return {
    id: newId(startedAt),
    startedAt,
    responseId: response.id,
    stepId: kind === 'model' ? response.modelStep : response.toolStep,
    attempt: 1,
    call: 1,
    target: kind === 'model' ? { kind, ...upstream, endpoint: 'responses' } : { kind, tool: 'pay' },
    by: null,
    ...change,
  };
}
