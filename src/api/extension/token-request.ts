import { isOwnerKey, TOKEN_SCOPES } from '../../ports/authenticator';
import { InvalidRequest, type Problem } from '../../ports/errors';
import type { TokenWish } from '../../ports/personal-tokens';
import type { AccessToken } from '../../ports/store/access-tokens';
import { type MembersOf, must, oneOf, optional, Shape } from '../../shape/shape';
import { isObject } from '../../task/plain-object';
import { requestPart } from '../http/request-part';
import { type NewTokenDto, type NewTokenForSomebodyDto, OTHERS_ROLES, type TokenDto } from './tokens.dto';

const DAY_MS = 86_400_000;
const NAME = /^[^\p{C}]{1,100}$/u;
const MOST_PROBLEMS = 100;

export type Wish = TokenWish & Pick<NewTokenForSomebodyDto, 'role'>;

const OWN: MembersOf<NewTokenDto> = {
  name: must('text of 1 to 100 characters, none of them a control character', (value) => typeof value === 'string' && NAME.test(value)),
  scopes: optional({ ...must('a list of at least one', (value) => Array.isArray(value) && value.length > 0), each: oneOf(TOKEN_SCOPES) }),
  expires_in_days: optional(must('a number above 0', (value) => Number.isFinite(value) && Number(value) > 0)),
};
/** What is not known is refused: it may be a bound that somebody relies on. */
const SHAPES = {
  own: new Shape(OWN),
  somebodys: new Shape({ ...OWN, role: optional(oneOf(OTHERS_ROLES)) } satisfies MembersOf<NewTokenForSomebodyDto>),
};

/** The body of a request for a new token. Throws InvalidRequest with every problem. */
export function tokenWishOf(body: unknown, whose: keyof typeof SHAPES): Wish {
  const problems: Problem[] = [];
  if (isObject(body)) SHAPES[whose].collect(body, '$', problems);
  else problems.push({ path: '$', message: 'must be an object' });
  const [first] = problems;
  if (first) throw new InvalidRequest(`not a new token: ${first.path} ${first.message}`, { details: problems.slice(0, MOST_PROBLEMS) });
  const { name, scopes, expires_in_days: days, role } = body as NewTokenForSomebodyDto;
  return {
    name,
    ...(scopes !== undefined && { scopes: [...new Set(scopes)] }),
    ...(days !== undefined && { lifetimeMs: days * DAY_MS }),
    ...(role !== undefined && { role }),
  };
}

export function shownToken({ id, name, principal, scopes, createdAt, expiresAt, madeBy }: AccessToken): TokenDto {
  return {
    id,
    name,
    owner: principal.owner,
    roles: principal.roles,
    scopes,
    created_at: new Date(createdAt).toISOString(),
    expires_at: new Date(expiresAt).toISOString(),
    ...(madeBy !== undefined && { made_by: madeBy }),
  };
}

interface Path {
  readonly owner: string;
  readonly token: string;
}

export const NewToken = requestPart<Path, unknown, Wish>((request) => tokenWishOf(request.body, 'own'));
export const NewTokenForSomebody = requestPart<Path, unknown, Wish>((request) => tokenWishOf(request.body, 'somebodys'));
export const TokenId = requestPart<Path, unknown, string>((request) => request.params.token);
export const TokenOwner = requestPart<Path, unknown, string>(({ params: { owner } }) => {
  if (isOwnerKey(owner)) return owner;
  throw new InvalidRequest('owner must be issuer|subject, as /ext/v1/me shows it', {
    details: [{ path: 'owner', message: 'must be issuer|subject' }],
  });
});
