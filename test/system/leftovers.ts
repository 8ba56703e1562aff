import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from './engines';
import { processesNaming, type RunningServer } from './server';
import { eventually } from './tes-client';

const run = promisify(execFile);

/** As much of a server as is asked for what it left. */
type Left = Pick<RunningServer, 'processes' | 'workDirectory'>;

/** What is left of these tasks on the machine: processes, containers, files below the work directory. One line each. */
export async function leftovers(server: Left, engine: Engine, ids: readonly string[]): Promise<readonly string[]> {
  const ofTasks = (text: string): boolean => ids.some((id) => text.includes(id));
  const processes = [...server.processes(), ...(ids.length > 0 ? processesNaming(ids) : [])].map(
    ({ pid, commandLine }) => `process ${pid} ${commandLine}`,
  );
  const files = existsSync(server.workDirectory)
    ? readdirSync(server.workDirectory, { recursive: true })
        .map(String)
        .filter(ofTasks)
        .map((path) => `file ${path}`)
    : [];
  if (engine.name !== 'docker' && engine.name !== 'podman') return [...processes, ...files];
  const { stdout } = await run(engine.name, ['ps', '-a', '--format', '{{.Names}} {{.Labels}}'], { env: engine.environment });
  const volumes = await run(engine.name, ['volume', 'ls', '--format', '{{.Name}} {{.Labels}}'], { env: engine.environment });
  const containers = [...stdout.split('\n'), ...volumes.stdout.split('\n')].filter(ofTasks).map((line) => `${engine.name} ${line}`);
  return [...processes, ...files, ...containers];
}

/** Clean-up follows the terminal state, so it is waited for. */
export async function nothingIsLeft(server: Left, engine: Engine, ids: readonly string[], limitMs = 60_000): Promise<void> {
  let seen: readonly string[] = [];
  await eventually(
    'nothing to be left',
    async () => {
      seen = await leftovers(server, engine, ids);
      return seen.length === 0 ? true : undefined;
    },
    limitMs,
  ).catch((error: unknown) => {
    throw new Error(`left on the machine:\n${seen.slice(0, 20).join('\n')}`, { cause: error });
  });
}

/** Every regular file below a directory that holds the text; what vanishes meanwhile does not. */
export function filesHolding(directory: string, text: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      try {
        return readFileSync(path).includes(text);
      } catch {
        return false;
      }
    });
}
