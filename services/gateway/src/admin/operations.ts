/** Every operation of the admin API. */
import { readGroups, readModels, readTools, readWebhooks } from '@tailrace/database';
import { ENTRIES } from '@tailrace/registry';
import { ANALYTICS_OPERATIONS } from '../admin-analytics/operations.ts';
import { entryOperations } from './entry-operations.ts';
import { KEY_OPERATIONS } from './key-operations.ts';
import type { AdminOperation } from './operation.ts';
import {
  groupResource,
  modelResource,
  toGroupResource,
  toModelResource,
  toolResource,
  toToolResource,
  toWebhookResource,
  webhookResource,
} from './resources.ts';

const KEPT = 'A secret that is shown as `***` may be sent so: then it stays as it is.';

/** See the file's head. */
export const ADMIN_OPERATIONS: readonly AdminOperation[] = [
  ...KEY_OPERATIONS,
  ...ANALYTICS_OPERATIONS,
  ...entryOperations({
    section: 'groups',
    kind: 'group',
    tag: 'Groups',
    putDescription: 'What all keys of a group may use together. A group without an entry is not limited.',
    removeDescription: 'The group is not limited any more; the keys, models and tools that name it stay as they are.',
    schema: ENTRIES.groups,
    resource: groupResource,
    read: readGroups,
    show: toGroupResource,
    change: (entry) => ({ do: 'put_group', entry }),
    putErrors: [],
    removeErrors: [],
  }),
  ...entryOperations({
    section: 'models',
    kind: 'model',
    tag: 'Models',
    putDescription: `A model that clients can name, and where it is served. ${KEPT}`,
    removeDescription: 'A model that an agent uses stays.',
    schema: ENTRIES.models,
    resource: modelResource,
    read: readModels,
    show: toModelResource,
    change: (entry) => ({ do: 'put_model', entry }),
    putErrors: [],
    removeErrors: ['entry_in_use'],
  }),
  ...entryOperations({
    section: 'tools',
    kind: 'tool',
    tag: 'Tools',
    putDescription: `A tool of any kind: names are unique among all of them. An agent’s model and tools must be there. ${KEPT}`,
    removeDescription:
      'A tool that an agent uses stays. Responses that were accepted with the tool are told that it is gone.',
    schema: ENTRIES.tools,
    resource: toolResource,
    read: readTools,
    show: toToolResource,
    change: (entry) => ({ do: 'put_tool', entry }),
    putErrors: [],
    removeErrors: ['entry_in_use'],
  }),
  ...entryOperations({
    section: 'webhooks',
    kind: 'webhook',
    tag: 'Webhooks',
    putDescription: `Where the ends of background responses are told. ${KEPT}`,
    schema: ENTRIES.webhooks,
    resource: webhookResource,
    read: readWebhooks,
    show: toWebhookResource,
    change: (entry) => ({ do: 'put_webhook', entry }),
    putErrors: [],
    removeErrors: [],
  }),
];
