import type { Adapters, SettingDefinition, SettingsPage } from '../ports/adapter';
import { ruleOf } from './setting-formats';
import { entryPage } from './entry-page';
import { isDefinition, settingsPage, type SettingsTree } from './settings-schema';

type Schema = Readonly<Record<string, unknown>>;

/**
 * The pages as JSON Schema (draft 2020-12), for editors and for whoever makes settings by program. It holds what a settings file may say;
 * what the gateway alone can check (two settings that do not go together, a file that is not there) it leaves to `--check-config`.
 */
export function settingsJsonSchema(adapters: Adapters): Schema {
  const schema = group(settingsPage(adapters), adapters);
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Settings of tes-gateway', ...schema };
}

function group(tree: SettingsTree, adapters: Adapters): Schema {
  const members = Object.entries(tree).flatMap(([name, node]): [string, Schema][] => {
    if (!isDefinition(node)) return [[name, { ...group(node, adapters), type: ['object', 'null'] }]];
    if (node.format === 'backends') return [[name, { description: node.doc, ...entries(adapters) }]];
    return settingMembers(name, node);
  });
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(members) };
}

/** A setting, and beside one that is sensitive the file that holds it. */
function settingMembers(name: string, definition: SettingDefinition): [string, Schema][] {
  const { doc, default: value, sensitive } = definition;
  const schema = { description: doc, ...ruleOf(definition).schema, ...(value !== undefined && value !== '' && { default: value }) };
  const file = { description: `A file that holds ${name}`, type: 'string', minLength: 1 };
  return sensitive
    ? [
        [name, schema],
        [`${name}_file`, file],
      ]
    : [[name, schema]];
}

function entries({ backends }: Adapters): Schema {
  return {
    type: 'array',
    minItems: 1,
    items: { anyOf: backends.map((backend, index) => entry(backend.type, entryPage(backend), index === 0)) },
  };
}

/** The first type is the one that an entry without `type` has. */
function entry(type: string, page: SettingsPage, isFirst: boolean): Schema {
  const needed = Object.entries(page).flatMap(([key, { required }]) => (required ? [key] : []));
  return {
    title: `a backend of type ${type}`,
    type: 'object',
    additionalProperties: false,
    required: isFirst ? needed : ['type', ...needed],
    properties: {
      type: { const: type },
      ...Object.fromEntries(Object.entries(page).flatMap(([key, definition]) => settingMembers(key, definition))),
    },
  };
}
