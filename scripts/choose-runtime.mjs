// Which container runtime this machine can offer for a first trial.
import { runCommand } from './steps.mjs';

/** What each runtime is asked, in the order of preference: first whether it answers, then whether it can obtain and start the image. */
const containerRuntimes = [
  {
    name: 'docker',
    answers: ['docker', 'version', '--format', '{{.Server.Version}}'],
    starts: (image) => ['docker', 'run', '--rm', image, 'true'],
  },
  {
    name: 'podman',
    answers: ['podman', 'info', '--format', '{{.Version.Version}}'],
    starts: (image) => ['podman', 'run', '--rm', image, 'true'],
  },
  {
    name: 'apptainer',
    answers: ['apptainer', '--version'],
    starts: (image) => ['apptainer', '--quiet', 'exec', '--containall', '--no-home', `docker://${image}`, 'true'],
  },
];

const ANSWER_LIMIT_MS = 15_000;
/** Time for an image of a few megabytes over a slow line. */
const START_LIMIT_MS = 120_000;

const works = async ([command, ...args], limitMs) => {
  const { code, output } = await runCommand(command, args, { signal: AbortSignal.timeout(limitMs) });
  return { ok: code === 0, why: output.trim().split('\n').at(-1) ?? '' };
};
const onPath = async (program) => (await works(['sh', '-c', `command -v ${program}`], ANSWER_LIMIT_MS)).ok;

/** The first runtime that can run `image`, else bubblewrap with the host's own programs. Throws one sentence saying what to install. */
export async function chooseRuntime(image) {
  for (const { name, answers, starts } of containerRuntimes) {
    if (!(await onPath(name))) continue;
    if (!(await works(answers, ANSWER_LIMIT_MS)).ok) {
      console.log(`  ${name}: does not answer`);
      continue;
    }
    const started = await works(starts(image), START_LIMIT_MS);
    if (started.ok) return name;
    console.log(`  ${name}: cannot run ${image}: ${started.why}`);
  }
  if (await bubblewrap()) return 'bubblewrap';
  throw new Error(
    'No container runtime works here: install docker, podman, apptainer or bubblewrap (`apt-get install bubblewrap`), then try again.',
  );
}

async function bubblewrap() {
  const probe = () => works(['bwrap', '--ro-bind', '/', '/', '--unshare-pid', 'true'], ANSWER_LIMIT_MS);
  if (await onPath('bwrap')) {
    const { ok, why } = await probe();
    if (!ok) console.log(`  bubblewrap: ${why}`);
    return ok;
  }
  if (process.getuid?.() !== 0 || !(await onPath('apt-get'))) return false;
  console.log("  Installing Debian's bubblewrap");
  const apt = (...args) =>
    runCommand('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
  const install = () => apt('install', '-y', '--no-install-recommends', 'bubblewrap');
  if ((await install()).code !== 0) {
    await apt('update');
    const { code, output } = await install();
    if (code !== 0) console.log(`  bubblewrap could not be installed: ${output.trim().split('\n').at(-1)}`);
  }
  return (await probe()).ok;
}
