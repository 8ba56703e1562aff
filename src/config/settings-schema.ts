import type { Adapters, SettingDefinition, SettingRule, SettingsPage } from '../ports/adapter';

const MIB = 1024 * 1024;
/** What clients that know fewer states may be shown instead. */
const shown = ['off', 'QUEUED', 'INITIALIZING', 'RUNNING', 'PAUSED', 'CANCELED', 'SYSTEM_ERROR', 'UNKNOWN'];

/**
 * The gateway's own settings: what each means, what it may be, what it is when nobody says. Those of adapters stand in their folders;
 * `settingsPage` puts all together. A setting's environment variable and flag follow from its name: `server.port` is
 * `TES_GATEWAY__SERVER__PORT` and `--server.port`. In paths `<data_dir>` stands for that setting.
 * Loads without a compiler (no imports of values), so that `scripts/readme-tables.mjs` can read it as it is.
 */
export const settingsSchema = {
  server: {
    host: { doc: 'Address to listen on; `0.0.0.0` for every interface', format: 'text', default: '127.0.0.1' },
    port: { doc: 'Port to listen on; 0 takes a free one', format: 'tcp port', default: 8080 },
    body_limit_bytes: {
      doc: 'Longest request body, inflated if it comes as gzip; a longer one is answered 413',
      format: 'size',
      default: 16 * MIB,
    },
    max_connections: { doc: 'Connections open at once; what comes on top is ended at once', format: 'positive count', default: 10_000 },
    max_connections_per_address: {
      doc: 'The same of one address (of IPv6: of one /64 network); 0: no limit. Loopback addresses and proxies that are trusted are not counted',
      format: 'count',
      default: 1000,
    },
    cors_origins: {
      doc: "Web origins that may call the API from a browser; `['*']` is any",
      format: 'list of texts',
      default: [] as string[],
    },
    allowed_hosts: {
      doc: 'Host names that clients use for this server (`Host` without the port); any other is answered 421. Loopback names, `server.host` and the address of the connection are always allowed. An empty list allows only these on a loopback address, and every name elsewhere or from `server.trust_proxy`; `[*]` allows every name',
      format: 'list of texts',
      default: [] as string[],
    },
    trust_proxy: {
      doc: 'Addresses and networks of proxies in front (`[10.0.0.7, fd00::/8]`). From these alone `X-Forwarded-For` is believed, back to the first address that is not among them: failed logins are counted by it. `X-Forwarded-Prefix` (`/tes`) is where redirects and the OpenAPI document then lead',
      format: 'list of networks',
      default: [] as string[],
    },
    tls: {
      certificate_file: {
        doc: 'Serve https with this certificate (PEM, with those between it and the authority behind it); http when empty. It and the key are read again within ten seconds of a change',
        format: 'path',
        default: '',
      },
      key_file: { doc: 'The key of that certificate (PEM, without a password)', format: 'path', default: '' },
    },
    shutdown_grace_seconds: {
      doc: 'How long a stop waits for transfers under way; jobs are left alone in any case',
      format: 'number',
      default: 20,
    },
  },
  instance: { doc: 'Name of this process among gateways; made up once and kept in `data_dir` when empty', format: 'text', default: '' },
  data_dir: {
    doc: 'The store, the instance name, compiled code for the next start and, by default, the files that `file:` URLs may reach',
    format: 'path',
    default: './data',
  },
  work_dir: { doc: 'Workspaces of tasks; apart from `data_dir`, on a disk with room', format: 'path', default: './work' },
  auth: {
    allow_anonymous: {
      doc: 'Serve without a login on other than loopback addresses: everybody who reaches the port may then run tasks, and see and cancel those of others',
      format: 'yes or no',
      default: false,
    },
    access: {
      doc: "Whose tasks a user sees: its own, also those that members of its groups created (and it may cancel these), or everybody's. An admin sees all",
      format: ['owner', 'group', 'all'],
      default: 'owner' as 'owner' | 'group' | 'all',
    },
    open: {
      doc: 'What needs no login: `service-info`, `docs` (Swagger UI and the OpenAPI document), `health` (`/healthz`, `/readyz`), `metrics` (with a login: for admins and viewers)',
      format: listOf(['service-info', 'docs', 'health', 'metrics']),
      default: ['service-info', 'docs', 'health'],
    },
  },
  credentials: {
    key_file: {
      doc: 'Keys with which credentials that users save for storages and registries are encrypted; `tes-gateway store credentials-key` makes it and puts a new key into it. Empty: users save none. Gateways on one store need the same keys',
      format: 'path',
      default: '',
    },
    max_per_user: { doc: 'Credentials that one user may have at once, at most 200', format: 'positive count', default: 50 },
  },
  audit: {
    file: {
      doc: 'Who did what: a line of JSON for each create, cancel, token that is made or revoked, credential that is saved or removed, act of an administrator and failed login, at the end of this file; none when empty. SIGHUP begins a new file under the name. Of what is refused 100 lines at once and one a second of each address are written, and 1000 at once and 50 a second in all; the next line counts what is left out (`left_out`)',
      format: 'path',
      default: '',
    },
  },
  transfers: {
    parallel: { doc: 'Files of one task moved at once', format: 'positive count', default: 8 },
    tasks: {
      doc: 'Tasks of one backend that stage inputs at once, and as many that store outputs; of each at most three quarters use one storage host (all files count as one host)',
      format: 'positive count',
      default: 16,
    },
    max_seconds: {
      doc: "Time limit of one try at staging a task's inputs, or at storing its outputs, when the gateway moves them; a task can ask for less (`max_transfer_seconds`)",
      format: 'positive count',
      default: 86_400,
    },
    tries: { doc: 'Tries at one file before the attempt at the task fails', format: 'positive count', default: 3 },
  },
  local: {
    kill_grace_seconds: { doc: 'From SIGTERM to SIGKILL when a task is cancelled or out of time', format: 'number', default: 10 },
    pids_limit: { doc: 'Processes and threads one executor may have', format: 'positive count', default: 4096 },
    capabilities: {
      doc: 'Linux capabilities of root in a docker or podman container. Add what an image needs beyond them: `NET_RAW` for `ping`, for example. No program gains rights by being started (`no-new-privileges`)',
      format: 'list of capabilities',
      default: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'],
    },
    keep_workspace: {
      doc: "Whether a task's workspace stays after the end, for a look: `BACKEND/kept` in `work_dir`. It is removed when `retention.unstored_outputs` (`off`: no such limit) or `retention.unstored_outputs_gb` say so of workspaces whose outputs could not be stored; these count by themselves",
      format: ['never', 'on_error', 'always'],
      default: 'never' as 'never' | 'on_error' | 'always',
    },
  },
  images: {
    allowed: {
      doc: 'Directories of local images (SIF, archives, root file systems) that a task may name by path. Every client can read, with the rights of the gateway, what lies in them',
      format: 'list of paths',
      default: [] as string[],
    },
    map: {
      doc: 'Image name to local file, used instead of a registry',
      format: 'map of paths',
      default: {} as Readonly<Record<string, string>>,
    },
    pull: {
      doc: 'When an image is fetched from its registry',
      format: ['always', 'missing', 'never'],
      default: 'missing' as 'always' | 'missing' | 'never',
    },
    auth_file: { doc: 'Registry logins, a file as `docker login` writes it', format: 'path', default: '' },
  },
  limits: {
    max_queued: {
      doc: 'Tasks that may wait; beyond it creates are answered 503 with `Retry-After`. This and the next two are counted in the store: they hold for all gateways on it together',
      format: 'positive count',
      default: 1_000_000,
    },
    max_tasks_of_user: {
      doc: 'Tasks of one user that have not ended, waiting and active ones together; one more is answered 429 with `Retry-After`. By default half of what may wait, so that nobody takes the whole queue; 0: no limit. Without a login nobody is counted',
      format: 'count',
      default: 500_000,
    },
    max_tasks_of_group: {
      doc: 'The same of one group: all that its members created while they were in it; 0: no limit',
      format: 'count',
      default: 0,
    },
    max_active_of_user: {
      doc: 'Tasks of one user that backends have at once; more of them wait in the queue, and tasks of others go past them. 0: no limit. Without a login everybody is one user. With several gateways it may be passed by what each gives away within a second',
      format: 'count',
      default: 0,
    },
    max_active_of_group: {
      doc: 'The same of one group: all that its members created while they were in it; 0: no limit',
      format: 'count',
      default: 0,
    },
    max_inputs_and_outputs: {
      doc: 'Inputs and outputs of one task together; more are answered 400',
      format: 'positive count',
      default: 20_000,
    },
    max_executors: { doc: 'Executors of one task', format: 'positive count', default: 100 },
    max_volumes: { doc: 'Volumes of one task', format: 'positive count', default: 256 },
    max_tags: { doc: 'Tags of one task; the store indexes each one', format: 'positive count', default: 100 },
    max_backend_parameters: { doc: 'Backend parameters of one task', format: 'positive count', default: 64 },
    max_output_patterns: {
      doc: "Patterns that the wildcards of a task's outputs stand for, all together (`{a,b}` is two; a long one counts for each begun 128 characters): they are the most expensive part of a create, and every file found is matched against each",
      format: 'positive count',
      default: 2048,
    },
    min_free_disk: {
      doc: 'Free space of `data_dir` and `work_dir` under which creates are answered 507',
      format: 'size',
      default: 512 * MIB,
    },
    over_capacity: {
      doc: 'A task that asks for more than any backend has: `clamp` gives it what the largest one has when it is assigned, with a line in the system logs; `refuse` answers 400',
      format: ['clamp', 'refuse'],
      default: 'clamp' as 'clamp' | 'refuse',
    },
    default_cpu_cores: { doc: 'Charged to a task that asks for no `cpu_cores`', format: 'positive number', default: 1 },
    default_ram_gb: { doc: 'Charged to a task that asks for no `ram_gb`; 1 GB is 2^30 bytes', format: 'positive number', default: 1 },
    default_runtime_seconds: {
      doc: 'Wall-clock limit of a task without `max_runtime_seconds`',
      format: 'positive number',
      default: 7 * 86_400,
    },
    max_runtime_seconds: { doc: 'Longest wall-clock limit a task may ask for', format: 'positive number', default: 30 * 86_400 },
    max_queued_seconds: {
      doc: 'A task that waits longer than this for a backend ends as SYSTEM_ERROR with the reason; counted anew for each attempt; 0: no limit',
      format: 'number',
      default: 0,
    },
    big_task_wait_seconds: {
      doc: 'After waiting this long, a task for which no backend has room gets a reservation: one backend that is large enough takes no other tasks until this one starts',
      format: 'number',
      default: 300,
    },
  },
  rates: {
    creates: {
      doc: 'Creates of one user: so many at once, and as many again in the course of each minute; more are answered 429 with `Retry-After`; 0: no limit. 500 a second is more than Nextflow or Snakemake send, one after the other, and less than a gateway takes: what is over is for others. Rates hold for each gateway by itself: with two a user has twice as many',
      format: 'count',
      default: 30_000,
    },
    creates_per_address: {
      doc: 'The same of one address (of IPv6: of one /64 network), which several users may share; loopback addresses are not counted, since a proxy may stand there. Without a login only addresses are counted',
      format: 'count',
      default: 60_000,
    },
    lists: {
      doc: 'Lists of one user. 100 a second reads through all tasks of a large store; who waits for tasks asks for each, or for a page now and then',
      format: 'count',
      default: 6000,
    },
    lists_per_address: { doc: 'The same of one address, as `creates_per_address`', format: 'count', default: 30_000 },
    gets: {
      doc: 'Questions of one user about single tasks. Not limited: workflow engines ask for each of thousands of tasks every few seconds, and an answer costs next to nothing',
      format: 'count',
      default: 0,
    },
    gets_per_address: { doc: 'The same of one address, as `creates_per_address`', format: 'count', default: 0 },
    failed_logins: {
      doc: 'Logins from one address that may fail, and a sixth of it for one name from there; more are answered 429 whether they are good or bad, but for who was let in within the last minutes',
      format: 'positive count',
      default: 60,
    },
  },
  retry: {
    attempts: {
      doc: "Attempts in all at a task that the system fails; an executor's failure is never retried",
      format: 'positive count',
      default: 3,
    },
    first_delay_seconds: { doc: 'Pause before the second attempt; doubled for each further one', format: 'number', default: 5 },
    longest_delay_seconds: { doc: 'Longest pause between attempts', format: 'number', default: 300 },
    backend_patience_seconds: {
      doc: 'How long an attempt waits for an unreachable backend before it fails',
      format: 'number',
      default: 3600,
    },
    storage_patience_seconds: {
      doc: 'How long inputs wait for an unreachable storage before the task fails; outputs, too, for one that answers 500',
      format: 'number',
      default: 3600,
    },
    output_patience_seconds: {
      doc: 'How long the outputs of a task that has ended wait for an unreachable or full storage before the task fails',
      format: 'number',
      default: 86_400,
    },
  },
  retention: {
    finished: { doc: 'Finished tasks are deleted after this long (`30d`, `12h`); `off` keeps them', format: 'span', default: 'off' },
    unstored_outputs: {
      doc: 'How long the workspace of a task stays whose outputs could not be stored, for `:restore-outputs`; `off` removes it at once',
      format: 'span',
      default: '7d',
    },
    unstored_outputs_gb: {
      doc: 'Disk that such workspaces may take on each backend, GB (10^9 bytes); beyond it the oldest are removed, never the latest',
      format: 'positive number',
      default: 100,
    },
  },
  api: {
    content_limit_bytes: {
      doc: "Longest `content` of one input; TES asks for at least 128 KiB, so less isn't accepted",
      format: 'content size',
      default: 4 * MIB,
    },
    show_canceling_as: { doc: 'State shown for CANCELING to clients that do not know it', format: shown, default: 'off' },
    show_queued_as: { doc: 'State shown for QUEUED to clients that do not know it', format: shown, default: 'off' },
  },
  logs: {
    level: {
      doc: 'Least severe line written to the log',
      format: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      default: 'info',
    },
    format: {
      doc: 'JSON lines, or for the eye; `auto` is `pretty` on a terminal',
      format: ['auto', 'json', 'pretty'],
      default: 'auto' as 'auto' | 'json' | 'pretty',
    },
    followers: {
      doc: 'Logs that may be followed at once (`follow=true`); one more is answered 429',
      format: 'positive count',
      default: 200,
    },
    tail_bytes: { doc: 'End of stdout and of stderr kept in a task', format: 'size', default: 16 * 1024 },
  },
  service_info: {
    id: { doc: 'Unique name of this service, reverse domain notation', format: 'text', default: 'org.ga4gh.tes-gateway' },
    name: { doc: 'Name shown to people', format: 'text', default: 'tes-gateway' },
    description: { doc: 'What this service is for', format: 'text', default: 'GA4GH Task Execution Service' },
    organization_name: { doc: 'Who runs it', format: 'text', default: 'unknown' },
    organization_url: { doc: "The organization's web page", format: 'text', default: 'https://example.org' },
    contact_url: { doc: 'Where users ask for help: a page or `mailto:`', format: 'text', default: '' },
    documentation_url: { doc: 'Where users read on', format: 'text', default: '' },
    environment: { doc: 'Such as `prod` or `test`', format: 'text', default: '' },
  },
};

/** A page with groups: leaves have a `default`. */
export type SettingsTree = { readonly [Name in string]: SettingDefinition | SettingsTree };

/** A setting, not a group of them. */
export function isDefinition(node: SettingsTree[string]): node is SettingDefinition {
  return 'default' in node;
}

/** Every setting by its dotted name, in the order of the page. */
export function settingDefinitions(page: SettingsTree, prefix = ''): Map<string, SettingDefinition> {
  const found = new Map<string, SettingDefinition>();
  for (const [name, node] of Object.entries(page)) {
    const key = prefix + name;
    if (isDefinition(node)) found.set(key, node);
    else for (const [inner, definition] of settingDefinitions(node, `${key}.`)) found.set(inner, definition);
  }
  return found;
}

/** Every setting there is, those of the adapters in their places. Two stores must not give one name two meanings. */
export function settingsPage({ backends, stores, storages, authenticators }: Adapters): SettingsTree {
  const { server, instance, data_dir, work_dir, auth, credentials, audit, transfers, ...others } = settingsSchema;
  const groups = (adapters: readonly { readonly type: string; readonly settings: SettingsPage }[]): SettingsTree =>
    Object.fromEntries(adapters.flatMap(({ type, settings }) => (Object.keys(settings).length > 0 ? [[type, settings]] : [])));
  const types = stores.map(({ type }) => type);
  return {
    server,
    instance,
    data_dir,
    work_dir,
    store: {
      type: {
        doc: `Where tasks are kept: ${listed(stores)}`,
        format: types,
        default: types[0] ?? '',
      },
      ...Object.fromEntries(stores.flatMap(({ settings }) => Object.entries(settings))),
    },
    storage: groups(storages),
    auth: {
      schemes: {
        doc: `How users log in, in the order in which they are tried: ${listed(authenticators)}`,
        format: listOf(
          authenticators.map(({ type }) => type),
          1,
        ),
        default: authenticators.slice(0, 1).map(({ type }) => type),
      },
      ...auth,
      ...groups(authenticators),
    },
    credentials,
    audit,
    transfers,
    backends: {
      doc: `Where tasks run: a list of entries, their keys below; ${listed(backends)}`,
      format: 'backends',
      default: backends.slice(0, 1).map(({ type }) => ({ type })),
    },
    ...others,
  };
}

function listOf(words: readonly string[], least = 0): SettingRule {
  return {
    test: (value) =>
      Array.isArray(value) &&
      value.length >= least &&
      value.every((word) => words.includes(word as string)) &&
      new Set(value).size === value.length,
    words: `a list of ${words.join(', ')}${least > 0 ? `, at least ${least}` : ''}, each once`,
    schema: { type: 'array', items: { enum: words }, minItems: least, uniqueItems: true },
  };
}

function listed(adapters: readonly { readonly type: string; readonly doc: string }[]): string {
  return adapters.map(({ type, doc }) => `\`${type}\` is ${doc}`).join(', ');
}
