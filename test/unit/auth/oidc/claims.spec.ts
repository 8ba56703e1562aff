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
