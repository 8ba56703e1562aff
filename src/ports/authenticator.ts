/** Who is asking. `owner` = issuer and subject; tasks belong to it. `groups` = issuer and name of each. */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'service';
  readonly owner: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** May see and cancel everybody's tasks and use the admin routes. */
  readonly admin: boolean;
}

/** One way to prove who one is. */
export abstract class Authenticator {
  abstract readonly scheme: string;
  /** How a client is asked for it (`WWW-Authenticate`, RFC 9110 11.6.1), such as `Bearer`; absent = it asks nobody. */
  readonly challenge?: string;
  /** `undefined` = "not my scheme"; throws `Unauthenticated` = "mine, and bad". */
  abstract authenticate(
    headers: Readonly<Record<string, string | string[] | undefined>>,
    signal: AbortSignal,
  ): Promise<Principal | undefined>;
}
