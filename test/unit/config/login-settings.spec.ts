import { adapters } from '../../../src/adapters';
import { describeSettings, loadSettings, type Settings, SettingsError } from '../../../src/config/settings';

const load = (argv: readonly string[]): Settings => loadSettings({ files: [], env: {}, argv }, adapters);
const faultsOf = (argv: readonly string[]): readonly string[] => {
  try {
    load(argv);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
};

describe('settings of who is let in', () => {
  const basic = ['--auth.schemes=[basic]', '--auth.basic.htpasswd_file=/users'];

  it.each(['0.0.0.0', '::', '10.0.0.1', 'gateway.example', '127.0.0.1.example', ''])('needs a login, or a word for none, on %s', (host) => {
    const argv = [`--server.host=${host}`];
    expect(faultsOf(argv)).toEqual([expect.stringContaining('auth.allow_anonymous')]);
    expect(faultsOf([...argv, '--auth.allow_anonymous=true'])).toEqual([]);
    expect(faultsOf([...argv, ...basic])).toEqual([]);
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('needs nothing on %s', (host) => {
    expect(faultsOf([`--server.host=${host}`])).toEqual([]);
  });

  it.each([
    [['--auth.schemes=[none, basic]'], 'auth.schemes: none lets everybody in, so it stands alone'],
    [['--auth.schemes=[]'], 'auth.schemes: must be a list of none, basic, oidc, token, at least 1, each once'],
    [['--auth.schemes=[token]'], 'auth.schemes: nobody could log in by token alone: name another one beside it'],
    [['--auth.schemes=[none, token]'], 'auth.schemes: none lets everybody in, so it stands alone'],
    [['--auth.schemes=[basic, token]', '--auth.token.max_per_user=201'], 'auth.token.max_per_user: must be at most 200'],
    [['--auth.schemes=[basic, token]', '--auth.token.max_days=1e9'], 'auth.token.max_days: must be at most 36500'],
    [['--credentials.max_per_user=201'], 'credentials.max_per_user: must be at most 200'],
    [['--auth.schemes=[basic, basic]'], 'auth.schemes: must be a list of'],
    [['--auth.schemes=[kerberos]'], 'auth.schemes: must be a list of'],
    [['--auth.basic.users=[{name: "a:b"}]'], 'auth.basic.users[0].name: must hold no colon'],
    [['--auth.basic.users=[{name: a}, {name: a}]'], 'auth.basic.users[1].name: is there twice'],
    [['--auth.basic.users=[{name: a, password_hash: plain}]'], 'auth.basic.users[0].password_hash: is neither bcrypt'],
    [['--auth.basic.users=[{name: a, rolls: [admin]}]'], 'auth.basic.users: must be a list of {name, password_hash, roles, groups}'],
    [['--auth.basic.users=[{name: a, roles: [root]}]'], 'auth.basic.users: must be a list of'],
    [['--auth.basic.htpasswd_file='], 'auth.basic.users: there are none'],
    [['--auth.schemes=[oidc]'], 'auth.oidc.issuers: there are none'],
    [
      ['--auth.schemes=[oidc]', '--auth.oidc.issuers=[{url: http://id.example, audience: a}]'],
      'auth.oidc.issuers[0].url: must be an https',
    ],
    [['--auth.schemes=[oidc]', '--auth.oidc.issuers=[{url: https://id.example}]'], 'auth.oidc.issuers: must be a list of'],
    [
      ['--auth.schemes=[oidc]', '--auth.oidc.issuers=[{url: https://id.example, audience: a, introspection: true}]'],
      'auth.oidc.issuers[0].introspection: needs client_id and client_secret',
    ],
    ...(
      [
        ['scopes: {write: x}', 'auth.oidc.issuers: must be a list of'],
        ['scopes: [read]', 'auth.oidc.issuers: must be a list of'],
        ['scopes: {read: "a b"}', 'auth.oidc.issuers[0].scopes.read: must be one word'],
        [`scopes: {read: 'a"b'}`, 'auth.oidc.issuers[0].scopes.read: must be one word'],
        ['scopes: {read: ""}', 'auth.oidc.issuers[0].scopes.read: must be one word'],
        ['scopes_claim: scp', 'auth.oidc.issuers[0].scopes_claim: needs scopes'],
        ['scopes: {admin: x}', 'auth.oidc.issuers[0].scopes.admin: nobody is an admin without admin_values'],
      ] as const
    ).map(([text, words]): [string[], string] => [
      ['--auth.schemes=[oidc]', `--auth.oidc.issuers=[{url: https://id.example, audience: a, ${text}}]`],
      words,
    ]),
    [['--server.tls.certificate_file=/cert'], 'server.tls: certificate_file and key_file belong together'],
    [['--server.tls.key_file=/key'], 'server.tls: certificate_file and key_file belong together'],
    [['--auth.open=[tasks]'], 'auth.open: must be a list of service-info, docs, health, metrics, each once'],
    [['--server.trust_proxy=[127.0.0.1, 10.0.0.0/33]'], 'settings: server.trust_proxy[1]: 10.0.0.0/33 has more than 32 bits'],
    [
      ['--storage.http.allowed_networks=[10.0.0.0/8, fd00::/129]'],
      'settings: storage.http.allowed_networks[1]: fd00::/129 has more than 128 bits',
    ],
    [['--server.trust_proxy=[proxy.example]'], 'server.trust_proxy[0]: proxy.example is no address and no network: write 10.0.0.7, '],
    [["--server.cors_origins=['*']"], "server.cors_origins: with a login it must name the origins, not '*'"],
  ])('%j is refused', (argv, words) => {
    expect(faultsOf([...basic, ...argv])).toEqual([expect.stringContaining(words)]);
  });

  it('shows who may log in, and no hash and no secret', () => {
    const hash = `$2y$05$${'a'.repeat(53)}`;
    const users = `--auth.basic.users=[{name: ann, password_hash: ${hash}, groups: [lab]}]`;
    const issuers = '--auth.oidc.issuers=[{url: https://id.example, audience: tes, client_id: me, client_secret: hunter2}]';
    const shown = describeSettings(load(['--auth.schemes=[basic, oidc]', users, issuers]), adapters);
    expect(shown).toMatch(/name: ann[^]*id\.example/);
    expect(shown).not.toMatch(/aaaa|hunter2/);
  });
});
