import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errandScript } from '../../../src/backends/shared/script/script-manifest';
import type { HostFile, HostPlaces, HostStatus, JobStart, ScriptHost, Verb } from '../../../src/backends/shared/script/script-host';
import type { RuntimeName } from '../../../src/backends/shared/runtimes/runtime';

const HANDED = 'handed';

/** The plainest host there can be: a directory that both sides see, and a process for each job. What a batch system over a shared file system would be. */
export class DirectoryHost implements ScriptHost {
  readonly title = 'the directory';
  readonly traits = { startsWhole: false, observedAtOnce: 8, pollMs: { first: 100, longest: 1000 } };
  readonly files = this;
  private readonly children = new Map<string, ChildProcess>();
  private readonly errand: string;

  constructor(
    private readonly root: string,
    runtime: RuntimeName,
    private readonly environment: NodeJS.ProcessEnv,
  ) {
    this.errand = errandScript(runtime, {}, { jobs: root, workspace: 'workspace', answer: 'answer' });
  }

  async health(): Promise<{ version: string; detail: string }> {
    await fs.access(this.root);
    return { version: 'a directory', detail: '' };
  }

  async make(id: string): Promise<string> {
    await fs.mkdir(this.path(id, ''), { recursive: true, mode: 0o700 });
    return join(this.root, id);
  }

  placesOf(directory: string): HostPlaces {
    return { workspace: join(directory, 'workspace'), common: join(dirname(directory), '.tes-gateway') };
  }

  async put(id: string, files: readonly HostFile[]): Promise<void> {
    for (const { name, content } of files) {
      await fs.mkdir(dirname(this.path(id, name)), { recursive: true, mode: 0o700 });
      await fs.writeFile(this.path(id, `${name}.new`), content);
      await fs.rename(this.path(id, `${name}.new`), this.path(id, name));
    }
  }

  async start(id: string, { files, script }: JobStart): Promise<void> {
    await this.put(id, [...files, { name: 'script', content: script }, { name: HANDED, content: Buffer.alloc(0) }]);
    const env = { ...this.environment, TES_GATEWAY_JOB: id };
    this.children.set(id, spawn('sh', [this.path(id, 'script'), this.path(id, '')], { detached: true, stdio: 'ignore', env }));
  }

  async status(id: string): Promise<HostStatus> {
    const child = this.children.get(id);
    if (!existsSync(join(this.root, id))) return 'none';
    if (!existsSync(this.path(id, HANDED))) return 'made';
    return child && (child.exitCode !== null || child.signalCode !== null) ? 'ended' : 'underway';
  }

  async stop(id: string): Promise<void> {
    this.children.get(id)?.kill();
  }

  async remove(id: string): Promise<void> {
    await fs.rm(join(this.root, id), { recursive: true, force: true });
  }

  async get(id: string, name: string, mostBytes: number): Promise<{ bytes: Buffer } | undefined> {
    const bytes = await this.part(id, name, 0, mostBytes);
    return bytes.length > 0 || existsSync(this.path(id, name)) ? { bytes } : undefined;
  }

  async part(id: string, name: string, offset: number, maxBytes: number): Promise<Buffer> {
    if (!existsSync(this.path(id, name))) return Buffer.alloc(0);
    return Buffer.concat(await createReadStream(this.path(id, name), { start: offset, end: offset + maxBytes - 1 }).toArray());
  }

  async run(verb: Verb, words: readonly string[]): Promise<Buffer> {
    const directory = join(this.root, `tes-errand-${randomBytes(8).toString('hex')}`);
    await fs.mkdir(directory, { mode: 0o700 });
    try {
      await once(
        spawn('sh', ['-c', this.errand, 'sh', verb, ...words], { cwd: directory, stdio: 'ignore', env: this.environment }),
        'exit',
      );
      return await fs.readFile(join(directory, 'answer'));
    } finally {
      await fs.rm(directory, { recursive: true });
    }
  }

  async send(id: string, name: string, content: Readable): Promise<void> {
    await fs.mkdir(dirname(this.path(id, name)), { recursive: true, mode: 0o700 });
    await pipeline(content, createWriteStream(this.path(id, name)));
  }

  async open(id: string, name: string): Promise<Readable | undefined> {
    return existsSync(this.path(id, name)) ? createReadStream(this.path(id, name)) : undefined;
  }

  async close(): Promise<void> {
    // What was started lives on.
    for (const child of this.children.values()) child.unref();
  }

  private path(id: string, name: string): string {
    return join(this.root, id, 'workspace', name);
  }
}
