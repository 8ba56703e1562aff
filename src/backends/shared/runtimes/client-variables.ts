import { isShellName } from '../shell-quote';

/**
 * How a variable reaches a container without standing on a command line, which everybody on the machine can read: a line of the file for
 * `--env-file`, or the environment of the client, from which `--env=NAME` takes it. `undefined`: in neither way it would arrive byte for byte.
 */
export type VariableWay = 'file' | 'environment' | undefined;

interface EnvFile {
  readonly name: RegExp;
  readonly value: RegExp;
  /** What loses something whichever way it takes. */
  readonly lost?: RegExp;
}

/** docker takes a line as it is: only white space and `#` in front, white space in the name, and a CR at the end are not its own. */
const DOCKER_FILE: EnvFile = { name: /^[^\s#=\ufeff][^\s=]*$/u, value: /^[^\n]*(?<!\r)$/ };
/** So does podman, but from 4.5 on some of its versions read comments, quotes, and white space at the ends as a shell would. It loses the CR of a CR LF; seen with 4.3.1. */
const PODMAN_FILE: EnvFile = { name: /^[A-Za-z0-9_.-]+$/, value: /^(?!["'`\s])[^\n\r#]*(?<!\s)$/, lost: /\r\n/ };
const FILES: Readonly<Record<'docker' | 'podman', EnvFile>> = { docker: DOCKER_FILE, podman: PODMAN_FILE };
/** Both engines read lines of up to 64 KiB. */
const MOST_LINE_BYTES = 60_000;

export function variableWay(engine: 'docker' | 'podman', name: string, value: string): VariableWay {
  const file = FILES[engine];
  if (file.lost?.test(value)) return undefined;
  if (file.name.test(name) && file.value.test(value) && Buffer.byteLength(name) + Buffer.byteLength(value) < MOST_LINE_BYTES) return 'file';
  return isShellName(name) && !CLIENTS_OWN.test(name) ? 'environment' : undefined;
}

/**
 * Names that change what a client does, or a program or library that it uses: they never go into its environment. A file holds
 * every value of them that has one line.
 */
const CLIENTS_OWN = new RegExp(
  `^(?:${[
    // The C library, the loader and the runtime of Go.
    '_.*|LD_.*|DYLD_.*|MALLOC_.*|GLIBC_.*|GCONV_PATH|LOCPATH|NLSPATH|LC_.*|LANG|LANGUAGE|TZ|TZDIR|ZONEINFO|RES_OPTIONS|LOCALDOMAIN|HOSTALIASES|GETCONF_DIR',
    'GODEBUG|GOGC|GOMAXPROCS|GOMEMLIMIT|GOTRACEBACK|GOCOVERDIR|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|OPENSSL_.*|.*_?PROXY',
    // What every program may ask for, and what a shell sets or cannot set.
    'PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|TMP|TEMP|PWD|OLDPWD|HOSTNAME|XDG_.*|DBUS_.*|NOTIFY_SOCKET|LISTEN_.*|WATCHDOG_.*|SSH_AUTH_SOCK|NO_COLOR',
    'IFS|ENV|BASH.*|SHELLOPTS|PS[0-4]|PPID|E?UID|GROUPS|DIRSTACK|FUNCNAME|HIST.*|OPT(?:IND|ARG|ERR)|LINENO|RANDOM|SRANDOM|SECONDS|EPOCH.*|MAIL.*|CDPATH|POSIXLY_CORRECT',
    // The engines, and what they start.
    'DOCKER_.*|BUILDKIT_.*|BUILDX_.*|COMPOSE_.*|MOBY_.*|CONTAINER_.*|CONTAINERS_.*|CONTAINERD_.*|PODMAN_.*|BUILDAH_.*|CONMON.*|CNI_.*|NETAVARK_.*|AARDVARK_.*',
    'STORAGE_(?:DRIVER|OPTS)|REGISTRY_AUTH_FILE|REGISTRIES_.*|SIGNATURE_.*|OTEL_.*|RUNC_.*|CRUN_.*|OCI_.*|CRIU_.*|FUSE_.*|TES_GATEWAY_.*',
  ].join('|')})$`,
  'i',
);
