import type { Secret } from '../../ports/credentials';
import { InvalidRequest, type Problem } from '../../ports/errors';
import { type MembersOf, must, optional, Shape } from '../../shape/shape';
import { isObject } from '../../task/plain-object';
import { requestPart } from '../http/request-part';
import type { NewCredentialDto, NewRegistryLoginDto } from './credentials.dto';

/** Longest secret, characters: a token with many claims is some thousands. */
const LONGEST_SECRET = 8192;
const LONGEST_NAME = 1000;
/** RFC 7617: name and password are parted by the first colon, and neither holds a control character. */
const NAME = /^[^\p{Cc}\p{Cs}:]+$/u;
const PASSWORD = /^[^\p{Cc}\p{Cs}]*$/u;
/** RFC 6750. */
const TOKEN = /^[0-9A-Za-z._~+/-]+=*$/;
const MOST_PROBLEMS = 100;

export interface NewCredential {
  readonly target: string;
  readonly secret: Secret;
}

const text = (words: string, form: RegExp, longest: number): ReturnType<typeof must> =>
  must(words, (value) => typeof value === 'string' && value.length <= longest && form.test(value));

const TARGET = text('text', /./, LONGEST_SECRET);
const USERNAME = text('text without colon and control characters', NAME, LONGEST_NAME);
const SECRET = text(`text without control characters, of at most ${LONGEST_SECRET}`, PASSWORD, LONGEST_SECRET);
const BEARER = text(`a bearer token, of at most ${LONGEST_SECRET} characters`, TOKEN, LONGEST_SECRET);

const CREDENTIAL = new Shape({
  prefix: TARGET,
  username: optional(USERNAME),
  password: optional(SECRET),
  token: optional(BEARER),
} satisfies MembersOf<NewCredentialDto>);
const LOGIN = new Shape({ host: TARGET, username: USERNAME, password: SECRET } satisfies MembersOf<NewRegistryLoginDto>);

/** Throws InvalidRequest with every problem; none of its words is of the body's values. */
function checked<Dto>(body: unknown, shape: Shape): Dto {
  const problems: Problem[] = [];
  if (isObject(body)) shape.collect(body, '$', problems);
  else problems.push({ path: '$', message: 'must be an object' });
  const [first] = problems;
  if (!first) return body as Dto;
  throw new InvalidRequest(`not a credential: ${first.path} ${first.message}`, { details: problems.slice(0, MOST_PROBLEMS) });
}

function secretOf({ username, password, token }: NewCredentialDto): Secret {
  if (token === undefined && username !== undefined && password !== undefined) return { type: 'basic', username, password };
  if (token !== undefined && username === undefined && password === undefined) return { type: 'bearer', token };
  const message = 'must hold either username and password, or token';
  throw new InvalidRequest(`not a credential: $ ${message}`, { details: [{ path: '$', message }] });
}

interface Query {
  readonly prefix?: unknown;
  readonly host?: unknown;
}

const inQuery = (name: keyof Query): (() => ParameterDecorator) =>
  requestPart<unknown, Query, string>(({ query }) => {
    const value = query[name];
    if (typeof value === 'string') return value;
    throw new InvalidRequest(`${name} must be given, once`, { details: [{ path: name, message: 'must be given, once' }] });
  });

export const NewStorageCredential = requestPart<unknown, unknown, NewCredential>(({ body }) => {
  const dto = checked<NewCredentialDto>(body, CREDENTIAL);
  return { target: dto.prefix, secret: secretOf(dto) };
});
export const NewRegistryLogin = requestPart<unknown, unknown, NewCredential>(({ body }) => {
  const { host, username, password } = checked<NewRegistryLoginDto>(body, LOGIN);
  return { target: host, secret: { type: 'basic', username, password } };
});
export const PrefixInQuery = inQuery('prefix');
export const HostInQuery = inQuery('host');
