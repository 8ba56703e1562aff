/** One act that is written down for whoever has to know later who did what. */
export interface AuditEntry {
  /** Such as `create`, `cancel`, `failed-login`. */
  readonly event: string;
  /** Of the answer. */
  readonly status: number;
  /** Of the client, as far as proxies are trusted. */
  readonly address: string;
  /** Absent = nobody who is known. Of a failed login: whose it would have been, where there is such a user. */
  readonly owner?: string;
  readonly name?: string;
  readonly roles?: readonly string[];
  /** As the client named it, or as it was made. */
  readonly task?: string;
  /** The id of a personal API token, likewise; and whose it is, where the path says so. */
  readonly token?: string;
  readonly tokenOf?: string;
  /** What a credential that was saved or removed is for: a prefix of URLs, or a host. */
  readonly credential?: string;
}

/** Never throws, and nothing waits for it. */
export type Audit = (entry: AuditEntry) => void;
