import type { Networks } from '../ports/networks';

/** What the HTTP side reads from the settings. */
export interface ApiSettings {
  /** Largest request body, bytes (`server.body_limit_bytes`). */
  readonly bodyLimitBytes: number;
  /** Connections open at once, of all clients and of one address; 0 = no limit of one. */
  readonly connections: { readonly inAll: number; readonly ofAddress: number };
  /** It speaks TLS itself (`server.tls`). */
  readonly hasTls: boolean;
  /** Origins whose pages may use the API (CORS, TES "CORS"); `*` = every origin, empty = none. */
  readonly corsOrigins: readonly string[];
  /** Whose `X-Forwarded-*` are believed (`server.trust_proxy`). */
  readonly proxies: Networks;
  /** Address that is listened on (`server.host`). */
  readonly host: string;
  /** Names by which this server is reached besides that and the loopback ones; `*` = any (`server.allowed_hosts`). */
  readonly allowedHosts: readonly string[];
}

/** The part of GA4GH service-info that the operator decides (`Service` 1.0.0, TES `tesServiceInfo`). */
export interface ServiceInfoSettings {
  /** Globally unique, reverse domain name recommended. */
  readonly id: string;
  readonly name: string;
  readonly organization: { readonly name: string; readonly url: string };
  /** Of this software; changes with every release. */
  readonly version: string;
  readonly description?: string;
  readonly contactUrl?: string;
  readonly documentationUrl?: string;
  /** RFC 3339. */
  readonly createdAt?: string;
  readonly updatedAt?: string;
  /** `prod`, `test`, `dev`, `staging` or another word. */
  readonly environment?: string;
}

/** Injection tokens of values that have no class. */
export const API_SETTINGS = Symbol('ApiSettings');
export const SERVICE_INFO_SETTINGS = Symbol('ServiceInfoSettings');
