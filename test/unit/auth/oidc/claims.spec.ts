import { principalOf } from '../../../../src/auth/oidc/claims';

const entry = { url: 'https://id.example', audience: 'tes' };

describe('the claims of a token', () => {
  it('give the owner by issuer and subject, never by what people are called', () => {
    const [one, two] = ['1', '2'].map((sub) => principalOf(entry, { sub, preferred_username: 'ann', email: 'a@b' }));
    expect([one?.owner, two?.owner, one?.name]).toEqual(['https://id.example|1', 'https://id.example|2', 'ann']);
    expect(principalOf({ ...entry, url: 'https://other.example' }, { sub: '1' }).owner).toBe('https://other.example|1');
  });

  it.each([
    [{}, ['user']],
    [{ roles: ['tes-admin', 'x'] }, ['admin', 'user']],
    [{ roles: 'x tes-admin' }, ['admin', 'user']],
    [{ roles: ['tes-viewer'] }, ['viewer']],
    [{ roles: [7, null, {}] }, ['user']],
    [{ roles: { 'tes-admin': true } }, ['user']],
  ])('%j give the roles %j', (claims, roles) => {
    const mapped = { ...entry, roles_claim: 'roles', admin_values: ['tes-admin'], viewer_values: ['tes-viewer'] };
    expect(principalOf(mapped, { sub: '1', ...claims }).roles).toEqual(roles);
  });

  it('give no role to who has none of the values that make a user', () => {
    const mapped = { ...entry, roles_claim: 'roles', user_values: ['tes'] };
    expect(principalOf(mapped, { sub: '1' }).roles).toEqual([]);
    expect(principalOf(mapped, { sub: '1', roles: ['tes'] }).roles).toEqual(['user']);
  });

  describe('of scopes, where operations need some', () => {
    const scoped = {
      ...entry,
      scopes: { read: 'tes:read', create: 'tes:write', cancel: 'tes:write', admin: 'tes:admin' },
      roles_claim: 'roles',
      admin_values: ['root'],
    };
    const of = (claims: object) => {
      const { roles, scopes, lacking } = principalOf(scoped, { sub: '1', ...claims });
      return { roles, scopes, lacking };
    };

    it('restrict a token to what it has of them, in the words of the provider', () => {
      const lacking = { create: 'tes:write', cancel: 'tes:write' };
      expect(of({ scope: 'openid tes:read' })).toEqual({ roles: ['user'], scopes: ['read'], lacking });
      expect(of({ scope: 'tes:read tes:write' })).toEqual({ roles: ['user'], scopes: undefined, lacking: undefined });
      expect(of({}).scopes).toEqual([]);
      expect(of({ scope: ['tes:read'] }).scopes).toEqual(['read']);
    });

    it('make an admin without that scope a user, who may not do everything', () => {
      const scope = 'tes:read tes:write';
      const scopes = ['read', 'create', 'cancel'];
      expect(of({ roles: ['root'], scope })).toEqual({ roles: ['user'], scopes, lacking: { admin: 'tes:admin' } });
      expect(of({ roles: ['root'], scope: `${scope} tes:admin` })).toMatchObject({ roles: ['admin', 'user'], scopes: undefined });
      expect(of({ roles: ['root'], scope: 'tes:read tes:admin' })).toMatchObject({ roles: ['admin', 'user'], scopes: ['read', 'admin'] });
    });

    it('are found under another name where the settings say so', () => {
      const { scopes } = principalOf({ ...entry, scopes: { read: 'r', create: 'c' }, scopes_claim: 'scp' }, { sub: '1', scp: ['c'] });
      expect(scopes).toEqual(['create', 'cancel']);
    });
  });

  it('are found by name, or by a path into others, and never in JavaScript’s own members', () => {
    const rolesOf = (roles_claim: string, claims: object): readonly string[] =>
      principalOf({ ...entry, roles_claim, admin_values: ['a'], user_values: [] }, { sub: '1', ...claims }).roles;
    expect(rolesOf('realm_access.roles', { realm_access: { roles: ['a'] } })).toEqual(['admin']);
    expect(rolesOf('https://x.example/roles', { 'https://x.example/roles': ['a'] })).toEqual(['admin']);
    expect(rolesOf('constructor.name', {})).toEqual([]);
  });

  it('tell a program that asked for itself from a person', () => {
    expect(principalOf(entry, { sub: 'robot', client_id: 'robot' }).kind).toBe('service');
    expect(principalOf(entry, { sub: '1', azp: 'portal' }).kind).toBe('user');
  });

  it('give no group that UTF-8 cannot tell from another', () => {
    expect(principalOf(entry, { sub: '1', groups: ['a\ud800', 'b'] }).groups).toEqual(['https://id.example|b']);
  });

  it('of a long name give a short one', () => {
    expect(principalOf(entry, { sub: '1', name: 'x'.repeat(10_000) }).name).toHaveLength(200);
  });
});
