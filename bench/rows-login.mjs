// What a login costs: GET MINIMAL with each kind of it beside the same without, and the memory that many different users take.
import http, { createServer } from 'node:http';
import { join } from 'node:path';
import { hash } from 'bcrypt';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { median, processFigures, round } from './figures.mjs';
import { placeStore } from './filled-store.mjs';
import { prepareGateway } from './gateway.mjs';
import { get } from './scenarios.mjs';
import { pool } from './tes-server.mjs';

const draining = { runtime: 'bubblewrap', drain: true };
const FEW = 1000;
const LEAST = { jwt: 0.85, token: 0.8, basic: 0.8 };
const MOST_MB = 100;

/** An OpenID provider that has discovery and keys. */
async function startProvider() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }];
  const server = createServer((request, answer) => {
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify(request.url === '/keys' ? { keys } : { issuer: url, jwks_uri: `${url}/keys` }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const token = (sub) =>
    new SignJWT({ sub })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(url)
      .setAudience('tes')
      .setExpirationTime('2h')
      .sign(privateKey);
  return { url, token, stop: () => server.close() };
}

/** One gateway without a login and one with all; who logs in sees everybody's tasks, so that both answer the same. */
export async function logins(bench) {
  const kinds = Object.keys(LEAST).filter((kind) => bench.wants(`login-${kind}`));
  if (kinds.length === 0 && !bench.wants('login-memory')) return;
  const provider = await startProvider();
  const password_hash = await hash('password', 10);
  const auth = {
    schemes: ['basic', 'token', 'oidc'],
    access: 'all',
    basic: { users: [{ name: 'ann', password_hash }] },
    oidc: { issuers: [{ url: provider.url, audience: 'tes' }] },
  };
  const prepare = (name, settings) => prepareGateway({ main: bench.main, directory: join(bench.work, name), backend: draining, settings });
  const [without, guarded] = [await prepare('open', {}), await prepare('guarded', { auth })];
  try {
    for (const gateway of [without, guarded]) {
      await placeStore(bench, gateway, FEW);
      await gateway.start(bench.nodeOptions);
    }
    if (kinds.length > 0) await ratios(bench, kinds, { without, guarded, provider });
    if (bench.wants('login-memory')) await memory(bench, guarded, provider);
  } finally {
    await without.remove();
    await guarded.remove();
    provider.stop();
  }
}

async function ratios(bench, kinds, { without, guarded, provider }) {
  const basic = `Basic ${Buffer.from('ann:password').toString('base64')}`;
  const headers = { basic, jwt: `Bearer ${await provider.token('ann')}`, token: `Bearer ${await personalToken(guarded, basic)}` };
  const done = [];
  // The first round is none: whatever comes first would be measured before the code is compiled.
  for (let rep = 0; rep <= bench.load.reps; rep += 1) {
    const of = { none: await measured(bench, without) };
    for (const kind of kinds) {
      guarded.headers = { authorization: headers[kind] };
      of[kind] = await measured(bench, guarded);
    }
    if (rep > 0) done.push(of);
  }
  for (const kind of kinds) {
    const ratio = median(done.map((of) => of[kind].ratio / of.none.ratio));
    // What the server alone takes for an answer, whatever the generator takes beside it.
    const byCpu = median(done.map((of) => of.none.serverCpuMs / of[kind].serverCpuMs));
    const figures = { ratio, byCpu, reps: done };
    bench.row({
      row: `login-${kind}`,
      what: `GET MINIMAL with ${kind}, to without a login`,
      target: `>= ${LEAST[kind] * 100} %`,
      shown: `${round(ratio * 100, 0)} % (CPU of the server: ${round(byCpu * 100, 0)} %)`,
      funnel: '-',
      pass: ratio >= LEAST[kind],
      figures,
    });
  }
}

async function measured(bench, gateway) {
  const figures = await get(gateway, { ...bench.load, reps: 1, view: 'MINIMAL' });
  const [rep] = figures.reps;
  if (rep.failed > 0) throw new Error(`${rep.failed} answers were no task: ${JSON.stringify(rep.codes)}`);
  return rep;
}

async function personalToken({ base }, authorization) {
  const answer = await fetch(`${base}/ext/v1/me/tokens`, { method: 'POST', headers: { authorization }, body: '{"name": "bench"}' });
  if (answer.status !== 201) throw new Error(`no token: ${await answer.text()}`);
  return (await answer.json()).token;
}

/** Each of them lists once. */
async function memory(bench, gateway, provider) {
  const users = bench.principals;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const ask = (token) =>
    new Promise((resolve, reject) => {
      const options = { agent, headers: { authorization: `Bearer ${token}` } };
      http
        .get(`${gateway.base}/v1/tasks?page_size=1`, options, (answer) => {
          answer.resume().once('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))));
        })
        .once('error', reject);
    });
  const each = async (from, count) =>
    pool(
      Array.from({ length: count }, (_, at) => from + at),
      64,
      async (at) => ask(await provider.token(`user ${at}`)),
    );
  await each(0, Math.ceil(users / 50));
  const before = processFigures(gateway.pid);
  await each(users, users);
  const after = processFigures(gateway.pid);
  agent.destroy();
  const mb = after.anonMb - before.anonMb;
  bench.row({
    row: 'login-memory',
    what: `memory of ${users.toLocaleString('en')} users, each with a JWT`,
    target: `<= ${MOST_MB} MB`,
    shown: `${round(mb, 0)} MB`,
    funnel: '-',
    pass: mb <= MOST_MB,
    figures: { users, before, after },
  });
}
