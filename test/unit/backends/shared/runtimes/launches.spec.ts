import { mountPlan } from '../../../../../src/backends/shared/mount-plan';
import { apptainerLaunch, apptainerLines } from '../../../../../src/backends/shared/runtimes/apptainer';
import { bubblewrapLaunch, bubblewrapLines, dropSkeleton } from '../../../../../src/backends/shared/runtimes/bubblewrap';
import { containerLaunch, containerLines } from '../../../../../src/backends/shared/runtimes/containers';
import { DOCKER_DIALECT as DOCKER } from '../../../../../src/backends/shared/runtimes/docker';
import { type HostEntry, hostRoot } from '../../../../../src/backends/shared/runtimes/host-root';
import { PODMAN_DIALECT as PODMAN } from '../../../../../src/backends/shared/runtimes/podman';
import type { ExecutorContext, ImageSource } from '../../../../../src/backends/shared/runtimes/runtime';
import { settingsSchema } from '../../../../../src/config/settings-schema';
import type { TesExecutor, TesTaskRequest } from '../../../../../src/task/tes';

const REGISTRY: ImageSource = { kind: 'registry', reference: 'alpine:3', pull: 'missing' };

/** SHA-256 of its whole name. */
const ALPINE = '9e42819a0aa0fab4ff50a739dc72cfc6ffb3c2f4bcb1159cfa6ec88298f426fa';

function contextOf(
  executor: Partial<TesExecutor> = {},
  rest: Partial<TesTaskRequest> = {},
  more: Partial<ExecutorContext> = {},
): ExecutorContext {
  const whole: TesExecutor = { image: 'alpine:3', command: ['prog', '-x'], ...executor };
  return {
    jobName: 'tes-a-1',
    owner: 'ab12',
    index: 0,
    executor: whole,
    plan: mountPlan({ executors: [whole], ...rest }),
    workspace: '/w/jobs/tes-a-1',
    trees: '/w/jobs/tes-a-1/trees',
    image: REGISTRY,
    limits: { cpuCores: 2, memoryBytes: 1 << 28, pids: 99 },
    network: 'default',
    labels: { 'tes-gateway.job': 'tes-a-1' },
    ...more,
  };
}

describe('docker and podman', () => {
  const settings = {
    asRoot: true,
    imagesDirectory: '/w/images/docker',
    instance: 'i',
    knownImages: new Map<string, string>(),
    capabilities: settingsSchema.local.capabilities.default,
    selinux: false,
  };
  const last = (context: ExecutorContext, changes = {}): string =>
    containerLaunch(DOCKER, context, { ...settings, ...changes }).commands.at(-1) ?? '';

  it('names and labels the container, limits it, and puts the command after the image', () => {
    const words = last(contextOf());
    expect(words).toMatch(/^exec 'docker' 'run' '--name' 'tes-a-1-0' /);
    for (const option of [
      '--label=tes-gateway.job=tes-a-1',
      '--memory=268435456',
      '--memory-swap=268435456',
      '--cpus=2',
      '--pids-limit=99',
      '--entrypoint=',
    ]) {
      expect(words).toContain(`'${option}'`);
    }
    expect(words).toMatch(/ "\$image" 'prog' '-x'$/);
  });

  it('quotes the mount line, so that a path cannot add an option to it', () => {
    expect(last(contextOf({}, { volumes: ['/a,readonly"x'] }))).toContain(
      `'--mount=type=bind,"source=/w/jobs/tes-a-1/trees/0","target=/a,readonly""x"'`,
    );
  });

  it('puts no value of a variable on a command line', () => {
    const env = { TOKEN: 'abc/+=', LD_PRELOAD: '/x.so', ODD: "a'\n$b", EMPTY: '' };
    const launch = containerLaunch(DOCKER, contextOf({ env }), settings);
    expect(launch.files).toEqual({ '0.env': 'TOKEN=abc/+=\nLD_PRELOAD=/x.so\nEMPTY=\n' });
    expect(launch.commands[0]).toMatch(/^ODD='a'\\''\n\$b' exec 'docker' 'run' /);
    expect(launch.commands.join()).toContain("'--env=ODD'");
    expect(launch.commands.join()).not.toContain('abc/+=');
  });

  it('gives root in a container the capabilities of the setting, and adds only those that are not usual', () => {
    expect(last(contextOf())).toMatch(/'--security-opt=no-new-privileges' '--cap-drop=AUDIT_WRITE' /);
    expect(last(contextOf())).not.toMatch(/cap-add|cap-drop=(CHOWN|SETUID)|label=disable/);
    const widened = last(contextOf(), { capabilities: ['NET_RAW', 'SYS_PTRACE'] });
    expect(widened).toContain("'--cap-add=SYS_PTRACE'");
    expect(widened).toContain("'--cap-drop=CHOWN'");
    expect(widened).not.toContain('NET_RAW');
  });

  it('lets a container read its directories where the kernel has SELinux', () => {
    expect(last(contextOf(), { selinux: true })).toContain("'--security-opt=label=disable'");
  });

  it('gives as much shared memory as there is memory', () => {
    expect(last(contextOf())).toContain("'--shm-size=268435456'");
  });

  it('opens stdin only when there is one', () => {
    expect(last(contextOf())).not.toContain(' -i ');
    expect(last(contextOf({ stdin: '/work/in' }))).toContain(' -i "$image"');
  });

  it('creates, copies and starts where something lies directly in /', () => {
    const launch = containerLaunch(DOCKER, contextOf({ stdout: '/out.txt' }), settings);
    expect(launch.before.at(-1)).toMatch(/^create\(\) \{ 'docker' 'create' /);
    expect(launch.commands).toEqual(['start_created']);
    expect(containerLines(DOCKER, [contextOf({ stdout: '/out.txt' })], contextOf({ stdout: '/out.txt' }).plan, settings)).toContain(
      "COPIED='root'",
    );
  });

  it('keeps the trees of a docker that is not our own in volumes', () => {
    const words = containerLaunch(DOCKER, contextOf({}, { volumes: ['/work'] }), { ...settings, asRoot: false }).before.join();
    expect(words).toContain(`--mount=type=volume,"target=/work",volume-nocopy`);
    expect(words).not.toContain('type=bind');
    expect(containerLaunch(PODMAN, contextOf({}, { volumes: ['/work'] }), { ...settings, asRoot: false }).commands.join()).toContain(
      'type=bind',
    );
  });

  it('asks for GPUs in the words of each engine', () => {
    expect(last(contextOf({}, {}, { gpus: '2' }))).toContain("'--gpus=2'");
    const podman = containerLaunch(PODMAN, contextOf({}, {}, { gpus: '2' }), settings).commands.join();
    expect(podman).toContain("'--device=nvidia.com/gpu=0' '--device=nvidia.com/gpu=1'");
  });

  it('passes an image id on that is known, unless the newest is wanted', () => {
    const known = { ...settings, knownImages: new Map([['alpine:3', 'sha256:aa']]) };
    const line = (image: ImageSource): string | undefined => {
      const context = contextOf({}, {}, { image });
      return containerLines(DOCKER, [context], context.plan, known).find((text) => text.startsWith('image_0'));
    };
    expect(line(REGISTRY)).toBe(
      `image_0() { resolve_image 0 'alpine:3' 'missing' 'sha256:aa' 'docker.io/library/alpine:3' '${ALPINE}' '0'; }`,
    );
    expect(line({ ...REGISTRY, pull: 'always' })).toBe(
      `image_0() { resolve_image 0 'alpine:3' 'always' '' 'docker.io/library/alpine:3' '${ALPINE}' '0'; }`,
    );
  });

  it('gives the network that the settings name', () => {
    expect(last(contextOf())).not.toContain('--network');
    expect(last(contextOf({}, {}, { network: 'none' }))).toContain("'--network=none'");
  });
});

describe('apptainer', () => {
  const settings = { asRoot: true, overlay: false, imagesDirectory: '/w/images/apptainer', cgroups: ['/sys/fs/cgroup/x'] };

  it('never evaluates, never shows the home, and hands variables over by prefix', () => {
    const launch = apptainerLaunch(contextOf({ env: { A: '$(id)', HOME: '/h' } }), settings);
    expect(launch.commands).toContain("export APPTAINERENV_A='$(id)'");
    expect(launch.commands.join()).not.toContain('APPTAINERENV_HOME');
    expect(launch.commands).toContain("export APPTAINER_HOME='/h'");
    for (const option of ['--containall', '--no-home', '--no-eval', '--pwd=/']) expect(launch.commands.at(-1)).toContain(`'${option}'`);
  });

  it('makes a file of its own for each owner whose login fetches the image', () => {
    const made = (image: ImageSource, owner: string): string | undefined => {
      const context = { ...contextOf({}, {}, { image }), owner };
      return apptainerLines([context], context.plan, settings).find((line) => line.startsWith('image_0'));
    };
    const withLogin = { ...REGISTRY, login: true } as const;
    expect(made(REGISTRY, 'ann')).toBe(made(REGISTRY, 'bob'));
    expect(new Set([made(REGISTRY, 'ann'), made(withLogin, 'ann'), made(withLogin, 'bob')]).size).toBe(3);
    expect(made(withLogin, 'ann')).toContain("-ann.sif'");
  });

  it('takes the kernel settings away from root', () => {
    expect(apptainerLaunch(contextOf(), settings).commands.at(-1)).toContain('source=/proc/sys,destination=/proc/sys,ro');
    expect(apptainerLaunch(contextOf(), { ...settings, asRoot: false }).commands.at(-1)).not.toContain('/proc/sys');
  });

  it('lays trees into a layer where overlays work, and mounts them where not', () => {
    const context = contextOf({}, { volumes: ['/a/b'] });
    expect(apptainerLaunch(context, settings).commands.at(-1)).toContain('destination=/a/b');
    expect(apptainerLaunch(context, { ...settings, overlay: true }).commands.at(-1)).not.toContain('destination=/a/b');
    expect(apptainerLines([context], context.plan, { ...settings, overlay: true })).toContain(`each_tree() { "$1" '1' 'b' 'a'; }`);
  });
});

describe('bubblewrap', () => {
  const directory = (name: string): HostEntry => ({ name, kind: 'directory' });
  const tree: Readonly<Record<string, readonly HostEntry[]>> = {
    '/': [directory('usr'), { name: 'bin', kind: 'link', target: 'usr/bin' }, directory('etc'), directory('root')],
    '/usr': [directory('bin'), directory('local')],
    '/usr/local': [directory('lib'), { name: 'note', kind: 'file' }],
    '/etc': [
      { name: 'passwd', kind: 'file' },
      { name: 'shadow', kind: 'file' },
    ],
    '/w/etc/1': [{ name: 'hosts', kind: 'file' }, { name: 'passwd', kind: 'file' }, directory('ssl')],
    '/w/etc/1/ssl': [directory('certs')],
  };
  const host = (context: ExecutorContext, present: readonly string[] = []) =>
    hostRoot(
      context.plan,
      context.trees,
      (path) => tree[path] ?? [],
      () => new Set(present),
      '/w/etc/1',
    );
  const joined = (options: readonly string[]): string => options.join(' ');

  it('shows the programs of this machine read-only, and no keys', () => {
    const { options, skeleton } = host(contextOf());
    expect(joined(options)).toContain('--ro-bind-try /usr /usr --symlink usr/bin /bin --ro-bind /w/etc/1 /etc');
    expect(joined(options)).not.toMatch(/shadow|\/root/);
    expect(skeleton).toEqual(expect.arrayContaining(['usr', 'bin', 'etc', 'proc', 'dev', 'tmp']));
  });

  it('shows of /etc a copy alone, and over it what changes while the machine works, wherever trees lie', () => {
    const mounted = (...volumes: string[]): string => joined(host(contextOf({}, { volumes })).options);
    const live = '--ro-bind-try /etc/hosts /etc/hosts';
    expect(mounted()).toContain(`--ro-bind /w/etc/1 /etc ${live} --ro-bind-try /etc/resolv.conf /etc/resolv.conf`);
    const ssl = '--ro-bind-try /w/etc/1/ssl /etc/ssl';
    expect(mounted('/etc/own')).toContain(`--dir /etc ${live} --ro-bind-try /w/etc/1/passwd /etc/passwd ${ssl} `);
    expect(mounted('/etc/ssl/own')).toContain('--dir /etc/ssl --ro-bind-try /w/etc/1/ssl/certs /etc/ssl/certs ');
    expect(mounted('/etc')).toContain(`/trees/0 /etc ${live} --ro-bind-try /w/etc/1/passwd /etc/passwd ${ssl}`);
    for (const volumes of [[], ['/etc/own'], ['/etc/ssl/own'], ['/etc'], ['/etc/ssl']])
      expect(mounted(...volumes)).not.toMatch(/--ro-bind\S* \/etc\/(?!hosts|resolv\.conf)/);
  });

  it('says where what only root may read is not hidden, or cannot be', () => {
    const found = host(contextOf({}, { volumes: ['/usr/local'] }), ['lib']);
    expect(found).toMatchObject({ machine: ['/usr'], covered: ['/usr/local/lib'], opened: expect.arrayContaining(['/usr', '/usr/local']) });
    const lines = bubblewrapLines(found, { etcCopy: '/e', closedList: '/c', isKept: true }, true, false);
    expect(lines).toContain("is_covered() { case $1 in '/usr/local/lib' | '/usr/local/lib'/*) true ;; *) false ;; esac; }");
    expect(bubblewrapLines(host(contextOf()), { etcCopy: '/e', closedList: '/c', isKept: true }, true, false)).toContain(
      'is_covered() { false; }',
    );
  });

  it('takes the kernel settings and secrets away from root, who needs no capability for them', () => {
    const optionsOf = (asRoot: boolean): string =>
      (bubblewrapLaunch(contextOf(), host(contextOf()), asRoot, []).files['0.options'] ?? '').replaceAll('\0', ' ');
    expect(optionsOf(true)).toMatch(/--proc \/proc .*--ro-bind \/dev\/null \/proc\/keys .*--remount-ro \/proc/);
    expect(optionsOf(false)).not.toContain('--remount-ro');
  });

  it('keeps what this machine has beside a tree inside one of its directories', () => {
    const { options, placeholders } = host(contextOf({}, { volumes: ['/usr/local'] }));
    expect(joined(options)).toContain(
      '--dir /usr --ro-bind-try /usr/bin /usr/bin --bind /w/jobs/tes-a-1/trees/1 /usr/local --ro-bind-try /usr/local/lib /usr/local/lib',
    );
    expect(placeholders).toEqual(['1/lib', '1/note']);
    expect(host(contextOf({}, { volumes: ['/usr/local'] }), ['lib']).placeholders).toEqual(['1/note']);
  });

  it('follows the links of the top directories for a tree below them', () => {
    expect(joined(host(contextOf({}, { volumes: ['/bin/own'] })).options)).toContain('/trees/1 /usr/bin/own');
  });

  it('takes its mount points out again when another executor or an output may meet them', () => {
    const found = host(contextOf());
    expect(dropSkeleton(found, false)).toBe('drop_skeleton() { :; }');
    expect(dropSkeleton(found, true)).toContain("'trees/root/etc'");
  });

  it('passes options in a file and the command after --', () => {
    const launch = bubblewrapLaunch(contextOf({ env: { SECRET: 's' } }), host(contextOf()), true, []);
    const options = (launch.files['0.options'] ?? '').split('\0');
    expect(options).toEqual(expect.arrayContaining(['--unshare-pid', '--die-with-parent', '--clearenv', 'SECRET', '--cap-drop']));
    expect(launch.commands.join()).not.toContain('SECRET');
    expect(launch.commands.at(-1)).toContain(`'--' "$nice" '-n' '0' '--' 'prog' '-x' 9<plan/0.options`);
  });
});
