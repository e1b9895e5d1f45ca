import { minimalInstance } from './json-schema-instance.ts';
import type { OfferedTool } from './model-request.ts';
import { isRecord } from './record.ts';

/** The argument by which a tool takes a city: `city`, or the first text that its schema requires or has. */
export function cityArgument(tool: OfferedTool): string {
  const { properties, required } = isRecord(tool.parameters) ? tool.parameters : {};
  if (!isRecord(properties) || Object.hasOwn(properties, 'city')) return 'city';
  const texts = Object.keys(properties).filter((name) => isText(properties[name]));
  return texts.find((name) => Array.isArray(required) && required.includes(name)) ?? texts[0] ?? 'city';
}

/** The arguments that ask a tool about a city, as JSON; whatever else it requires is filled in. */
export function cityArguments(tool: OfferedTool, city: string): string {
  return JSON.stringify({ ...minimalArguments(tool), [cityArgument(tool)]: city });
}

/** The fewest arguments that a tool's schema allows; none where it has no object for an instance. */
export function minimalArguments(tool: OfferedTool): Record<string, unknown> {
  const instance = minimalInstance(tool.parameters);
  return isRecord(instance?.value) ? instance.value : {};
}

function isText(schema: unknown): boolean {
  if (!isRecord(schema)) return false;
  return schema.type === 'string' || (Array.isArray(schema.type) && schema.type.includes('string'));
}
