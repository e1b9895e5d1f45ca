/** A client's own call of a model's server, as it is handed to a worker. */
import type { ResponseId, StepId } from '@tailrace/protocol';

/** The APIs whose calls are passed on to a model's server as they are. */
export type RelayEndpoint = 'chat.completions' | 'embeddings';

/** `tr.work.model.*`: a client's own call of a model's server. It is kept nowhere: where nobody waits for it any more it is dropped. */
export interface RelayWork {
  kind: 'relay';
  /** The call's own id: it belongs to no response. */
  responseId: ResponseId;
  /** The same id once more. */
  stepId: StepId;
  attempt: number;
  model: string;
  endpoint: RelayEndpoint;
  /** The client's body. */
  body: Record<string, unknown>;
  /** Where a gateway waits: the subject under which the call's messages are told. */
  replyTo: string;
  owner: string;
  keyName: string;
  groups: string[];
  /** Whether its key's limits are to be told of its end. */
  leased: boolean;
  correlationId: string;
}
