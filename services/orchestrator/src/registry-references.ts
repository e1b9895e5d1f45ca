/** What agents need of the registry: it is there when they are made, and stays as long as they do. */
import type { Tables } from '@tailrace/database';
import { ApiError } from '@tailrace/protocol';
import { sql, type Transaction } from 'kysely';

/**
 * Refuses agents that are stored although their model or tools are not. They may name each other and themselves.
 * @param names of the agents that are looked at.
 * @throws ApiError `invalid_value`
 */
export async function refuseMissing(tx: Transaction<Tables>, names: readonly string[]): Promise<void> {
  const agents = await tx
    .selectFrom('registry_tools')
    .select(['name', 'agent_model', 'agent_tools'])
    .where('kind', '=', 'agent')
    .where('name', '=', sql<string>`ANY(${names}::text[])`)
    .orderBy('name')
    .execute();
  const models = await present(
    tx,
    'registry_models',
    agents.map((agent) => agent.agent_model ?? ''),
  );
  const tools = await present(
    tx,
    'registry_tools',
    agents.flatMap((agent) => agent.agent_tools ?? []),
  );
  for (const { name, agent_model, agent_tools } of agents) {
    if (!models.has(agent_model ?? '')) {
      throw missing('model', `the agent '${name}' needs the model '${agent_model}', which there is not`);
    }
    (agent_tools ?? []).forEach((tool, index) => {
      if (tools.has(tool)) return;
      throw missing(`tools[${index}]`, `the agent '${name}' needs the tool '${tool}', which there is not`);
    });
  }
}

async function present(
  tx: Transaction<Tables>,
  table: 'registry_models' | 'registry_tools',
  names: readonly string[],
): Promise<Set<string>> {
  const rows = await tx
    .selectFrom(table)
    .select('name')
    .where('name', '=', sql<string>`ANY(${names}::text[])`)
    .execute();
  return new Set(rows.map((row) => row.name));
}

function missing(param: string, reason: string): ApiError {
  return new ApiError('invalid_value', { param, reason }, { param });
}

/**
 * Refuses to remove what an agent needs.
 * @throws ApiError `entry_in_use`
 */
export async function refuseUsed(tx: Transaction<Tables>, section: 'models' | 'tools', name: string): Promise<void> {
  const users = await usersOf(tx, section, name);
  if (users.length === 0) return;
  const kind = section === 'models' ? 'model' : 'tool';
  throw new ApiError('entry_in_use', { kind, name, users: `the agents ${users.join(', ')}` });
}

/** The agents that need a model or a tool; an agent that may call itself does not count. */
export async function usersOf(tx: Transaction<Tables>, section: 'models' | 'tools', name: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('registry_tools')
    .select('name')
    .where(
      section === 'models'
        ? sql<boolean>`agent_model = ${name}`
        : sql<boolean>`${name} = ANY(agent_tools) AND name <> ${name}`,
    )
    .orderBy('name')
    .execute();
  return rows.map((row) => row.name);
}
