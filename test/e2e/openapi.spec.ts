import { sharedGateway } from './app';
import { Client } from './client';
import { OFFICIAL, type OpenApi, type Parameter, type Schema } from './official';

/** Schemas that we name differently or that only wrap others. */
const ELSEWHERE = ['tesServiceInfo', 'tesServiceType'];

describe('the document at /docs-json', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);
  let ours: OpenApi;
  beforeAll(async () => {
    ours = (await client.send('GET', '/docs-json')).json as OpenApi;
  });

  it('has the official server, paths, operations and tags', () => {
    expect(ours.servers).toEqual([{ url: '/ga4gh/tes/v1' }]);
    for (const [path, operations] of Object.entries(OFFICIAL.paths)) {
      for (const [method, { operationId, tags }] of Object.entries(operations)) {
        expect([path, method, ours.paths[path]?.[method]]).toMatchObject([path, method, { operationId, tags }]);
      }
    }
  });

  it('shows every TES route once, and the others under the root', () => {
    for (const [path, item] of Object.entries(ours.paths)) {
      if (OFFICIAL.paths[path]) expect([path, 'servers' in item]).toEqual([path, false]);
      else
        expect([path, item]).toEqual([
          expect.stringMatching(/^\/(ext\/v1\/|healthz|readyz|metrics)/),
          expect.objectContaining({ servers: [{ url: '/' }] }),
        ]);
      expect(path).not.toMatch(/idAction|tasks\/service-info/);
    }
  });

  it('has the official parameters, and of its own only the Idempotency-Key', () => {
    for (const [path, operations] of Object.entries(OFFICIAL.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const official = (operation.parameters ?? []).map((one) => summary(resolved(OFFICIAL, one), OFFICIAL));
        const own = (ours.paths[path]?.[method]?.parameters ?? []).map((one) => summary(resolved(ours, one), ours));
        const known = own.filter(({ name }) => name !== 'Idempotency-Key');
        expect([path, method, known.sort(byName)]).toEqual([path, method, official.sort(byName)]);
      }
    }
  });

  it('has the official schemas: members, types, what is required', () => {
    for (const name of Object.keys(OFFICIAL.components.schemas)) {
      if (ELSEWHERE.includes(name)) continue;
      expect([name, shape({ $ref: `#/components/schemas/${name}` }, ours)]).toEqual([
        name,
        shape({ $ref: `#/components/schemas/${name}` }, OFFICIAL),
      ]);
    }
  });

  it('has service-info with the members of TES', () => {
    const own = ours.components.schemas['tesServiceInfo'];
    expect(own?.required).toEqual(['id', 'name', 'type', 'organization', 'version']);
    expect(own?.properties).toMatchObject({ storage: { type: 'array' }, tesResources_backend_parameters: { type: 'array' } });
    expect(ours.components.schemas['tesServiceType']?.properties?.['artifact']?.enum).toEqual(['tes']);
  });

  it('says what a task and an answer are', () => {
    expect(ours.paths['/tasks']?.['post']?.requestBody?.content['application/json']?.schema).toEqual({
      $ref: '#/components/schemas/tesTask',
    });
    for (const [path, operations] of Object.entries(OFFICIAL.paths)) {
      for (const method of Object.keys(operations)) {
        const content = ours.paths[path]?.[method]?.responses['200']?.content;
        expect([path, method, Object.keys(content ?? {})]).toEqual([path, method, ['application/json']]);
      }
    }
  });

  it('documents the error answers, all of one shape', () => {
    for (const path of Object.keys(OFFICIAL.paths)) {
      for (const operation of Object.values(ours.paths[path] ?? {})) {
        const { responses } = operation;
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(['200', '400', '401', '403', '429', '500', '503']));
        for (const [status, response] of Object.entries(responses)) {
          if (status !== '200') expect(response.content?.['application/json']?.schema).toEqual({ $ref: '#/components/schemas/error' });
        }
      }
    }
    expect(Object.keys(ours.paths['/tasks']?.['post']?.responses ?? {})).toEqual(expect.arrayContaining(['409', '413', '507']));
    expect(Object.keys(ours.paths['/tasks/{id}']?.['get']?.responses ?? {})).toContain('404');
  });

  it('refers to nothing that is not there', () => {
    for (const [, name] of JSON.stringify(ours).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(Object.keys(ours.components.schemas)).toContain(name);
    }
  });

  it('is served as YAML and as a page too, and the root leads there', async () => {
    expect((await client.send('GET', '/docs-yaml')).text).toContain('/tasks/{id}:cancel:');
    const page = await client.send('GET', '/docs');
    expect([page.status, page.headers['content-type']]).toEqual([200, expect.stringContaining('text/html')]);
    expect((await client.send('GET', '/docs/swagger-ui-bundle.js')).status).toBe(200);
    const root = await client.send('GET', '/');
    expect([root.status, root.headers['location']]).toEqual([302, '/docs']);
  });
});

function resolved(document: OpenApi, parameter: Parameter | { readonly $ref: string }): Parameter {
  if (!('$ref' in parameter)) return parameter;
  const found = document.components.parameters?.[parameter.$ref.split('/').at(-1) ?? ''];
  if (!found) throw new Error(`no parameter ${parameter.$ref}`);
  return found;
}

function summary({ name, in: place, required, schema }: Parameter, document: OpenApi): { name: string } & Record<string, unknown> {
  return { name, in: place, required: required ?? false, schema: shape(schema, document) };
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name.localeCompare(other.name);
}

/** What a schema demands, without texts, examples and defaults; references are followed. */
function shape(schema: Schema, document: OpenApi): unknown {
  const { $ref, allOf, anyOf } = schema;
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1) ?? '';
    const found = document.components.schemas[name];
    if (!found) throw new Error(`no schema ${name}`);
    return shape(found, document);
  }
  if (allOf?.length === 1 && allOf[0]) return shape(allOf[0], document);
  // A task in any view: the first alternative is the official one.
  if (anyOf?.[0]) return shape(anyOf[0], document);
  const { type, format, enum: words, required, properties, items, additionalProperties } = schema;
  return {
    type,
    ...(format && format !== 'boolean' && { format }),
    ...(words && { words: [...words].sort() }),
    ...(required && { required: [...required].sort() }),
    ...(properties &&
      Object.keys(properties).length > 0 && {
        properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, shape(value, document)])),
      }),
    ...(items && { items: shape(items, document) }),
    ...(additionalProperties !== undefined && {
      additionalProperties: typeof additionalProperties === 'boolean' ? additionalProperties : shape(additionalProperties, document),
    }),
  };
}
