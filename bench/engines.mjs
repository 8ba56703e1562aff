// The engine tests' own docker, podman and apptainer, with the image that the rows run.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../scripts/steps.mjs';

const runFile = promisify(execFile);
const engines = join(root, 'test', 'system');
/** What the image is called by docker and podman; bubblewrap takes any name. */
export const IMAGE = 'localhost/busybox:latest';

async function script(name, args, env = {}) {
  const { stdout } = await runFile(join(engines, name), args, { env: { ...process.env, ...env }, timeout: 900_000 });
  return stdout.trim();
}

const variables = (lines) => Object.fromEntries(lines.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));

/** What a gateway needs to use this runtime: environment, settings, and what tasks name as their image. A dockerd ends with the bench. */
export async function startEngine(runtime, cache) {
  switch (runtime) {
    case 'docker':
    case 'podman': {
      const owner = runtime === 'docker' ? ['--owner', String(process.pid)] : [];
      const env = variables(await script(`${runtime}/start.sh`, [...owner, join(cache, runtime)]));
      await script('images/load.sh', [runtime], env);
      return { env, settings: {}, image: IMAGE };
    }
    case 'apptainer': {
      const home = await script('apptainer/build.sh', []);
      const images = join(home, 'sif');
      const env = { PATH: `${join(home, 'bin')}:${process.env.PATH}` };
      return { env, settings: { images: { allowed: [images] } }, image: join(images, 'busybox.sif') };
    }
    case 'bubblewrap':
      return { env: {}, settings: {}, image: IMAGE };
    default:
      throw new Error(`no such runtime: ${runtime}`);
  }
}
