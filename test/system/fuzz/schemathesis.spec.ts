import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFractions } from '../../e2e/official';
import { describeEngine, type Engine, runScript } from '../engines';
import { repeated } from '../../support/amounts';
import { SEED } from '../../support/random';
import { basicOf, LOGIN, PASSWORD, tokenOf, USER } from '../login';
import { type RunningServer, startServer } from '../server';

/** What a request of the document's own making may never meet. */
const CHECKS =
  'not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance';
/** The official file documents 200 alone: what is answered 200 must be as it says; error answers are checked against our own document. */
const OFFICIAL_CHECKS = 'not_a_server_error,content_type_conformance,response_schema_conformance';

/** Runs it against a server with these words; gives what it found. */
async function schemathesis(server: RunningServer, examples: number, ...args: string[]): Promise<string> {
  const clients = await runScript('clients/install.sh', []);
  return new Promise((resolve) => {
    const options = [
      ...['--seed', String(SEED), '--no-color', '--generation-database', 'none', '--continue-on-failure'],
      ...['--max-examples', String(examples), '--workers', '1'],
    ];
    execFile(
      join(clients, 'schemathesis-4.32.5', 'bin', 'st'),
      ['run', ...args, ...options],
      { cwd: server.directory, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve(error === null ? 'no failure' : `${stdout}${stderr}`.slice(-8000)),
    );
  });
}

/** Nothing made up is carried out: the one backend takes no new tasks. */
const serverFor = (engine: Engine, settings: object = {}): Promise<RunningServer> =>
  startServer({ engine, backend: { drain: true }, settings: { logs: { level: 'fatal' }, ...settings } });

describeEngine('bubblewrap', 'requests that schemathesis makes', (engine) => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await serverFor(engine());
  }, 120_000);
  afterAll(() => server.remove());

  it(`are answered as our own document says (TES_GATEWAY_SEED=${SEED})`, async () => {
    expect(await schemathesis(server, 25, `${server.url}/docs-json`, '--checks', CHECKS)).toBe('no failure');
  }, 400_000);

  it(`from the official document are answered as it says, and never 5xx (TES_GATEWAY_SEED=${SEED})`, async () => {
    const document = readFileSync(join(__dirname, '..', '..', 'e2e', 'tes-1.1.openapi.yaml'), 'utf8');
    // By its own words the MINIMAL view has no executors, which it nevertheless requires.
    const consistent = withFractions(document).replace(/(\n {4}tesTask:\n) {6}required:\n +- executors\n/, '$1');
    expect(consistent).not.toBe(withFractions(document));
    const official = join(server.directory, 'official.yaml');
    writeFileSync(official, consistent);
    expect(await schemathesis(server, 25, official, '--url', `${server.url}/ga4gh/tes/v1`, '--checks', OFFICIAL_CHECKS)).toBe('no failure');
  }, 400_000);
});

describeEngine('bubblewrap', 'requests that schemathesis makes with a login', (engine) => {
  let server: RunningServer;
  beforeAll(async () => {
    const [user] = LOGIN.auth.basic.users;
    server = await serverFor(engine(), { auth: { ...LOGIN.auth, basic: { users: [{ ...user, roles: ['admin'] }] } } });
  }, 120_000);
  afterAll(() => server.remove());

  it(`of an administrator are answered as the document says (TES_GATEWAY_SEED=${SEED})`, async () => {
    const login = ['--header', `Authorization: ${basicOf(USER, PASSWORD)}`];
    expect(await schemathesis(server, repeated(4, 25), `${server.url}/docs-json`, '--checks', CHECKS, ...login)).toBe('no failure');
  }, 400_000);

  it(`of a program with a token are, too (TES_GATEWAY_SEED=${SEED})`, async () => {
    const login = ['--header', `Authorization: Bearer ${await tokenOf(server)}`];
    expect(await schemathesis(server, repeated(3, 25), `${server.url}/docs-json`, '--checks', CHECKS, ...login)).toBe('no failure');
  }, 400_000);
});
