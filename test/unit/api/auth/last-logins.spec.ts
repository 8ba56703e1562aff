import type { FastifyRequest } from 'fastify';
import { LastLogins } from '../../../../src/api/auth/last-logins';
import { Authenticator, type Principal } from '../../../../src/ports/authenticator';

const ANN: Principal = { kind: 'user', owner: 'basic|ann', name: 'ann', groups: [], roles: ['user'] };

class Doubtful extends Authenticator {
  readonly scheme = 'basic';
  holds = true;
  authenticate = () => Promise.resolve(undefined);
  override stillHolds = (principal: Principal) => this.holds && principal === ANN;
}

describe('what a connection sends again', () => {
  let now: number;
  let by: Doubtful;
  let logins: LastLogins;
  const [one, other] = [{}, {}];
  const sent = (socket: object, authorization?: string) => ({ headers: { authorization }, socket }) as FastifyRequest;
  beforeEach(() => {
    [now, by] = [0, new Doubtful()];
    logins = new LastLogins(() => now);
    logins.letIn(sent(one, 'Basic right'), ANN, by);
  });

  it('lets in the same for a second', () => {
    now = 999;
    expect(logins.of(sent(one, 'Basic right'))).toBe(ANN);
    now = 1000;
    expect(logins.of(sent(one, 'Basic right'))).toBeUndefined();
  });

  it.each<[string, string | undefined]>([
    ['other credentials of the same length', 'Basic wrong'],
    ['credentials that begin so', 'Basic right and more'],
    ['no credentials', undefined],
  ])('lets nobody in by %s', (_what, authorization) => {
    expect(logins.of(sent(one, authorization))).toBeUndefined();
  });

  it('lets nobody in on another connection', () => {
    expect(logins.of(sent(other, 'Basic right'))).toBeUndefined();
  });

  it('lets nobody in whom the authenticator would not', () => {
    by.holds = false;
    expect(logins.of(sent(one, 'Basic right'))).toBeUndefined();
  });

  it('keeps no header of more than 4096 characters', () => {
    logins.letIn(sent(other, 'x'.repeat(4097)), ANN, by);
    expect(logins.of(sent(other, 'x'.repeat(4097)))).toBeUndefined();
    logins.letIn(sent(other, 'x'.repeat(4096)), ANN, by);
    expect(logins.of(sent(other, 'x'.repeat(4096)))).toBe(ANN);
  });
});
