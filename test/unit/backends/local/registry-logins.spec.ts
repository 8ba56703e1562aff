import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { withLogins } from '../../../../src/backends/local/registry-logins';
import type { ImageSource } from '../../../../src/backends/shared/runtimes/runtime';
import type { Login } from '../../../../src/ports/credentials';
import { temporaryDirectory } from '../temporary-directory';

const ANN = { key: 'basic|ann' };
const LOGIN: Login = { type: 'basic', username: 'ann', password: 'pä:ss' };
const AUTH = { auth: Buffer.from('ann:pä:ss').toString('base64') };

const image = (reference: string, pull: 'always' | 'missing' | 'never' = 'missing'): ImageSource => ({ kind: 'registry', reference, pull });
const parsed = (text: string | undefined): unknown => JSON.parse(text ?? 'null');

describe("logins of a job's owner", () => {
  const directory = temporaryDirectory('logins');
  let asked: (readonly string[])[];
  beforeEach(() => {
    asked = [];
  });
  const having =
    (...hosts: string[]) =>
    async (owner: { key: string }, wanted: readonly string[]): Promise<ReadonlyMap<string, Login>> => {
      asked.push(wanted);
      return new Map(hosts.filter((host) => owner.key === ANN.key && wanted.includes(host)).map((host) => [host, LOGIN]));
    };

  it('are those for its images, and mark these', async () => {
    const images = [image('r.example:5000/a'), image('alpine'), image('other.example/b'), image('R.example:5000/c')];
    const found = await withLogins(ANN, images, having('r.example:5000', 'unused.example'), {});
    expect(asked).toEqual([['r.example:5000', 'docker.io', 'other.example']]);
    expect(found.images.map((one) => 'login' in one)).toEqual([true, false, false, true]);
    expect(parsed(found.logins)).toEqual({ auths: { 'r.example:5000': AUTH }, credHelpers: {} });
  });

  it.each(['alpine', 'ann/x:1', 'docker.io/ann/x', 'ann/x@sha256:ab'])(
    'at Docker Hub are for %s, under both of its names',
    async (name) => {
      const found = await withLogins(ANN, [image(name)], having('docker.io'), {});
      expect(parsed(found.logins)).toMatchObject({ auths: { 'docker.io': AUTH, 'https://index.docker.io/v1/': AUTH } });
    },
  );

  it('stand beside those of the operator, and before them', async () => {
    const authFile = join(directory(), 'logins.json');
    const own = {
      auths: { 'r.example': { auth: 'x' }, 'r.example/team': { auth: 'z' }, 'op.example': { auth: 'y' } },
      credHelpers: { 'r.example': 'pass', 'helped.example': 'pass' },
      credsStore: 'secretservice',
    };
    await fs.writeFile(authFile, JSON.stringify(own));
    const found = await withLogins(ANN, [image('r.example/a')], having('r.example'), { authFile });
    expect(parsed(found.logins)).toEqual({
      auths: { 'r.example': AUTH, 'op.example': { auth: 'y' } },
      credHelpers: { 'helped.example': 'pass' },
    });
  });

  it.each(['{"auths": "s3cret', '{"auths": 7}', undefined])('are not used without those of the operator: %s', async (text) => {
    const authFile = join(directory(), 'logins.json');
    if (text !== undefined) await fs.writeFile(authFile, text);
    const failed = await withLogins(ANN, [image('r.example/a')], having('r.example'), { authFile }).catch(
      (error: unknown) => error as Error,
    );
    expect(failed).toMatchObject({ code: 'BACKEND_ERROR', retryable: true });
    expect(String((failed as Error).message)).not.toContain('s3cret');
  });

  it.each([
    ['of others', { key: 'basic|bob' }, [image('r.example/a')], 1],
    ['that are not fetched', ANN, [image('r.example/a', 'never')], 0],
    ['that are files', ANN, [{ kind: 'file', path: '/x', within: [] } as const], 0],
  ] as const)('are none for images %s', async (_what, owner, images, asks) => {
    expect(await withLogins(owner, images, having('r.example'), {})).toEqual({ images });
    expect(asked).toHaveLength(asks);
  });

  it('are not looked for where users save none', async () => {
    const images = [image('r.example/a')];
    expect(await withLogins(ANN, images, undefined, { authFile: '/nowhere' })).toEqual({ images });
  });
});
