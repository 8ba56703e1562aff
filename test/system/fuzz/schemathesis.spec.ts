import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFractions } from '../../e2e/official';
import { describeEngine, runScript } from '../engines';
import { SEED } from '../../support/random';
import { type RunningServer, startServer } from '../server';

/** What a request of the document's own making may never meet. */
const CHECKS =
  'not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance';
/** The official file documents 200 alone: what is answered 200 must be as it says; error answers are checked against our own document. */
const OFFICIAL_CHECKS = 'not_a_server_error,content_type_conformance,response_schema_conformance';

describeEngine('bubblewrap', 'requests that schemathesis makes', (engine) => {
  let server: RunningServer;
  beforeAll(async () => {
    // Nothing made up is carried out: the one backend takes no new tasks.
    server = await startServer({ engine: engine(), backend: { drain: true }, settings: { logs: { level: 'fatal' } } });
  }, 120_000);
  afterAll(() => server.remove());

  const schemathesis = async (...args: string[]): Promise<string> => {
    const clients = await runScript('clients/install.sh', []);
    return new Promise((resolve) => {
      const options = [
        '--seed',
        String(SEED),
        '--no-color',
        '--generation-database',
        'none',
        '--max-examples',
        '25',
        '--continue-on-failure',
        '--workers',
        '1',
      ];
      execFile(
        join(clients, 'schemathesis-4.32.5', 'bin', 'st'),
        ['run', ...args, ...options],
        { cwd: server.directory, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => resolve(error === null ? 'no failure' : `${stdout}${stderr}`.slice(-8000)),
      );
    });
  };

  it(`are answered as our own document says (TES_GATEWAY_SEED=${SEED})`, async () => {
    expect(await schemathesis(`${server.url}/docs-json`, '--checks', CHECKS)).toBe('no failure');
  }, 400_000);

  it(`from the official document are answered as it says, and never 5xx (TES_GATEWAY_SEED=${SEED})`, async () => {
    const document = readFileSync(join(__dirname, '..', '..', 'e2e', 'tes-1.1.openapi.yaml'), 'utf8');
    // By its own words the MINIMAL view has no executors, which it nevertheless requires.
    const consistent = withFractions(document).replace(/(\n {4}tesTask:\n) {6}required:\n +- executors\n/, '$1');
    expect(consistent).not.toBe(withFractions(document));
    const official = join(server.directory, 'official.yaml');
    writeFileSync(official, consistent);
    expect(await schemathesis(official, '--url', `${server.url}/ga4gh/tes/v1`, '--checks', OFFICIAL_CHECKS)).toBe('no failure');
  }, 400_000);
});
