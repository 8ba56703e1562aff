import { Readable } from 'node:stream';
import { PulsarRestClient } from '../../../../src/backends/pulsar/pulsar-rest.client';
import { mountPlan } from '../../../../src/backends/shared/mount-plan';
import { RemoteWorkspace } from '../../../../src/backends/shared/script/remote-workspace';
import { FakePulsar, sayHalf } from './fake-pulsar';

const plan = mountPlan({ volumes: ['/work'], executors: [{ image: 'x', command: ['true'] }] });
const work = plan.roots.find(({ path }) => path === '/work')?.tree ?? '';
const never = new AbortController().signal;
/** Above 64 MiB of listing. */
const FILES = 35_000;
const NAME = 'n'.repeat(2000);

function* longListing(): Iterable<string> {
  yield `d\x00755\x009\0${work}\0\0`;
  for (let file = 0; file < FILES; file += 100) {
    yield Array.from({ length: 100 }, (_value, index) => `f\x00644\x001 1\0${work}/${NAME}${file + index}\0\0`).join('');
  }
  yield 'whole\0';
}

describe('a job on a Pulsar server that left very many files', () => {
  let server: FakePulsar;
  let client: PulsarRestClient;

  beforeAll(async () => {
    server = await new FakePulsar().start();
    client = new PulsarRestClient({ name: 'far', url: server.url, token: '' }, '');
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });

  it('has each of them found by a listing of any length', async () => {
    server.will(
      (_request, response) => Readable.from(longListing()).pipe(response),
      (_request, response) => response.end('whole\0'),
    );
    const workspace = new RemoteWorkspace(client, client, 'a', plan, true);
    expect(await workspace.stat(`/work/${NAME}${FILES - 1}`, never)).toMatchObject({ kind: 'file', sizeBytes: 1 });
  });

  it('is asked for its listing again when that broke off on the way', async () => {
    server.will(sayHalf(`d\x00755\x009\0${work}\0\0whole\0`));
    const workspace = new RemoteWorkspace(client, client, 'a', plan, true);
    await expect(workspace.stat('/work', never)).rejects.toMatchObject({ retryable: true, unavailable: true });
    server.will(
      (_request, response) => response.end(`d\x00755\x009\0${work}\0\0whole\0`),
      (_request, response) => response.end('whole\0'),
    );
    expect(await workspace.stat('/work', never)).toMatchObject({ kind: 'directory' });
  });

  it('has a status that is understood, although it lists all of them', async () => {
    const contents = Array.from({ length: 2_000 }, (_value, file) => `"tes/trees/${NAME}${file}"`).join(', ');
    server.will((_request, response) =>
      response.end(`{"job_id": "a", "complete": "true", "status": "complete", "metadata_directory_contents": [${contents}]}`),
    );
    expect(await client.status('a', never)).toBe('ended');
  });
});
