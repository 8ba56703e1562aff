import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { parse } from 'yaml';
import { adapters } from '../../../src/adapters';
import { SettingsError, describeSettings, loadSettings } from '../../../src/config/settings';

const top = join(__dirname, '../../..');
const schema = JSON.parse(readFileSync(join(top, 'settings/settings.schema.json'), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, validateFormats: false }).compile(schema);
const faults = (settings: unknown): readonly string[] =>
  validate(settings) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);

/** Whether the gateway itself takes these settings from the environment, key by key. */
function isTaken(settings: Readonly<Record<string, Readonly<Record<string, unknown>> | readonly unknown[]>>): boolean {
  const argv = Object.entries(settings).flatMap(([group, members]) =>
    Array.isArray(members)
      ? [`--${group}=${JSON.stringify(members)}`]
      : Object.entries(members).map(([key, value]) => `--${group}.${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  );
  try {
    loadSettings({ files: [], env: {}, argv }, adapters);
    return true;
  } catch (error) {
    if (error instanceof SettingsError) return false;
    throw error;
  }
}

describe('settings/settings.schema.json', () => {
  it('takes the default file, the README’s example, and what --check-config prints', () => {
    expect(
      faults(parse(readFileSync(join(top, 'settings/default.yaml'), 'utf8').split('\n\n').slice(1).join('\n').replace(/^# ?/gm, ''))),
    ).toEqual([]);
    const example = /An example with two backends[^]*?```yaml\n([^]*?)```/.exec(readFileSync(join(top, 'README.md'), 'utf8'))?.[1] ?? '';
    expect(faults(parse(example))).toEqual([]);
    const settings = loadSettings(
      { files: [], env: {}, argv: ['--backends=[{type: local, cpus: 2}, {type: pulsar, url: "http://h", runtime: podman, token: t}]'] },
      adapters,
    );
    expect(faults(parse(describeSettings(settings, adapters)))).toEqual([]);
  });

  it.each([
    { server: { port: 8081, trust_proxy: ['10.0.0.0/8'], body_limit_bytes: '8 MiB' } },
    { server: { port: 70_000 } },
    { server: { prot: 1 } },
    { limits: { min_free_disk: 'much' } },
    { limits: { max_queued: 0 } },
    { api: { content_limit_bytes: 131_071 } },
    { retention: { finished: '30d' } },
    { retention: { finished: 'soon' } },
    { images: { pull: 'never' } },
    { images: { pull: 'sometimes' } },
    { local: { capabilities: ['NET_RAW'] } },
    { local: { capabilities: ['CAP_NET_RAW'] } },
    { backends: [] },
    { backends: [{}] },
    { backends: [{ name: 'a/b' }] },
    { backends: [{ runtime: 'rocket' }] },
    { backends: [{ labels: { site: 'north' } }] },
    { backends: [{ labels: { Site: 'north' } }] },
    { backends: [{ type: 'pulsar', url: 'http://h', runtime: 'podman', environment: { A: 'b' } }] },
    { backends: [{ type: 'pulsar', url: 'http://h' }] },
    { backends: [{ type: 'pulsar', url: 'http://h', runtime: 'podman', slots: 0 }] },
    { backends: [{ type: 'pulsar', url: 'http://h', runtime: 'podman', stager: [] }] },
    { backends: [{ when_away: 'move' }] },
  ])('judges %j as the gateway does', (settings) => {
    expect(faults(settings).length === 0).toBe(isTaken(settings));
  });

  it('takes KEY_file beside what is secret alone', () => {
    expect(faults({ store: { type: 'mongodb', url_file: '/run/secrets/url' } })).toEqual([]);
    expect(faults({ backends: [{ type: 'pulsar', url: 'http://h', runtime: 'podman', token_file: '/run/secrets/token' }] })).toEqual([]);
    expect(faults({ store: { database_file: '/x' } })).not.toEqual([]);
  });
});
