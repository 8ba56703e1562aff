import { RouteConfig } from '@nestjs/platform-fastify';
import type { Role, TokenScope } from '../../ports/authenticator';
import type { Counted } from './request-rates';

/** What a route says of who may call it. Nothing = whoever has logged in and has a role. */
export interface RouteRules {
  /** The word of `auth.open` that opens it to everybody. */
  readonly open?: string;
  /** Only who has one of these; empty = also who has none. */
  readonly roles?: readonly Role[];
  /** As what its requests are counted; absent = they are not. */
  readonly counted?: Counted;
  /** What the audit log calls it; absent = it is not written there. */
  readonly audited?: string;
  /** What a personal API token must cover; absent = `read` for GET, and by another method no token calls it. */
  readonly scope?: TokenScope;
}

/** On the method of a controller. Modules that may not import this folder say `RouteConfig({ rules: ... })` themselves. */
export const Rules = (rules: RouteRules): MethodDecorator => RouteConfig({ rules });

interface Route {
  readonly url?: string | undefined;
  readonly config: object;
}

/** Of a route as the router registered it: `url` is its template, whatever a request called it. */
export function rulesOf({ url, config }: Route): RouteRules {
  if ('rules' in config) return config.rules as RouteRules;
  // Swagger registers its pages by itself.
  return url !== undefined && /^\/docs(?:$|[/-])/.test(url) ? { open: 'docs' } : {};
}
