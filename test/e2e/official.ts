import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv, { type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

/** What the tests read of an OpenAPI document. */
export interface OpenApi {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly parameters?: Readonly<Record<string, Parameter>> };
}
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>>; readonly required?: boolean };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

/** With what this server takes from TES 1.2: a fraction of a core. */
export function withFractions(document: string): string {
  return document.replace(/( +cpu_cores:\n +type: )integer(\n.*\n +format: )int32/, '$1number$2double');
}

/** The official TES 1.1 document. */
export const OFFICIAL = parse(withFractions(readFileSync(join(__dirname, 'tes-1.1.openapi.yaml'), 'utf8'))) as OpenApi;

const text: Schema = { type: 'string' };
const uri: Schema = { type: 'string', format: 'uri' };
const time: Schema = { type: 'string', format: 'date-time' };

/** GA4GH service-info 1.0.0 `Service`, which the official document only refers to, with the additions of TES. */
const SERVICE_INFO: Schema = {
  type: 'object',
  required: ['id', 'name', 'type', 'organization', 'version'],
  properties: {
    id: text,
    name: text,
    type: {
      type: 'object',
      required: ['group', 'artifact', 'version'],
      properties: { group: text, artifact: { type: 'string', enum: ['tes'] }, version: text },
    },
    description: text,
    organization: { type: 'object', required: ['name', 'url'], properties: { name: text, url: uri } },
    contactUrl: uri,
    documentationUrl: uri,
    createdAt: time,
    updatedAt: time,
    environment: text,
    version: text,
    storage: { type: 'array', items: text },
    tesResources_backend_parameters: { type: 'array', items: text },
  },
};

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addFormat('int32', { type: 'number', validate: (value: number) => Number.isInteger(value) && Math.abs(value) <= 2 ** 31 });
ajv.addFormat('int64', /^-?\d+$/);
ajv.addFormat('double', true);
ajv.addFormat('boolean', true);

const closed: Record<string, Schema> = {};
for (const [name, schema] of Object.entries({ ...OFFICIAL.components.schemas, tesServiceInfo: SERVICE_INFO })) {
  closed[name] = close(schema);
}
const minimal: Schema = {
  type: 'object',
  required: ['id', 'state'],
  properties: { id: text, state: { $ref: '#/components/schemas/tesState' } },
};
ajv.addSchema({ $id: 'tes', components: { schemas: { ...closed, minimalTask: close(minimal) } } });

/** No key that the document does not name: strict readers (py-tes) fail on any other. */
function close(schema: Schema): Schema {
  const properties = schema.properties && Object.fromEntries(Object.entries(schema.properties).map(([key, value]) => [key, close(value)]));
  return {
    ...schema,
    ...(properties && { properties, additionalProperties: false }),
    ...(schema.items && { items: close(schema.items) }),
  };
}

const validators = new Map<string, ValidateFunction>();

/** What an answer has that the official schema does not allow, or lacks; empty = it is exactly right. */
export function faultsOf(
  answer: unknown,
  schema: 'tesTask' | 'tesServiceInfo' | 'tesCreateTaskResponse' | 'minimalTask',
): readonly string[] {
  const validate = validators.get(schema) ?? ajv.compile({ $ref: `tes#/components/schemas/${schema}` });
  validators.set(schema, validate);
  if (validate(answer) === true) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''} ${JSON.stringify(error.params)}`);
}
