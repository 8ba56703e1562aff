import diagnostics from 'node:diagnostics_channel';
import { promises as fs } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { hash } from 'bcrypt';
import type { FastifyInstance } from 'fastify';
import { adapters } from '../../src/adapters';
import { makeDirectories } from '../../src/config/make-directory';
import { loadSettings } from '../../src/config/settings';
import { createLog, Gateway } from '../../src/gateway';
import type { Adapters, BackendAdapter } from '../../src/ports/adapter';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import { ScriptedBackend, ScriptedWorld } from '../support/scripted-backend';
import type { Answer } from './client';

/** Tag `life`: `run` runs until it is cancelled, anything else succeeds at once. */
const scripted: BackendAdapter = {
  type: 'scripted',
  doc: 'a script',
  isRemote: false,
  settings: {},
  create: ({ name }) =>
    Promise.resolve(
      new ScriptedBackend(
        new ScriptedWorld(),
        {
          life: ({ request: { tags } }) => ({ looks: tags?.['life'] === 'run' ? Infinity : 0, ending: { phase: 'succeeded' } }),
          capabilities: { pollMs: { first: 10, longest: 100 } },
        },
        name,
      ),
    ),
};
export const SCRIPTED: Adapters = { ...adapters, backends: [scripted] };

export interface Sent {
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  /** Of this machine, from which it is sent. */
  readonly from?: string;
}

/** The gateway as its settings make it, with a login by name and password. The password of everybody is `pw:NAME`. */
export class GuardedGateway {
  private constructor(
    private readonly gateway: Gateway,
    private readonly directory: string,
    readonly port: number,
    /** Every route that its router has, as `METHOD template`. */
    readonly routes: readonly string[],
  ) {}

  static async start(users: readonly string[], ...argv: string[]): Promise<GuardedGateway> {
    const directory = await makeWorkDirectory('guarded');
    await GuardedGateway.writeUsers(directory, users);
    const own = ['data', 'work'].map((name) => `--${name}_dir=${join(directory, name)}`);
    const login = ['--auth.schemes=[basic]', `--auth.basic.htpasswd_file=${join(directory, 'users')}`];
    const settings = loadSettings({ files: [], env: {}, argv: [...own, '--server.port=0', ...login, ...argv] }, SCRIPTED);
    makeDirectories(settings);
    const routes: string[] = [];
    const learn = (message: unknown): void => {
      (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
        for (const one of [method].flat()) routes.push(`${one} ${url}`);
      });
    };
    diagnostics.subscribe('fastify.initialization', learn);
    try {
      const log = createLog({ level: 'fatal', format: 'json' });
      const gateway = await Gateway.create({ settings, version: '0', log, environment: {}, adapters: SCRIPTED });
      return new GuardedGateway(gateway, directory, await gateway.start(), routes);
    } finally {
      diagnostics.unsubscribe('fastify.initialization', learn);
    }
  }

  /** The file as htpasswd would have written it. */
  setUsers(users: readonly string[]): Promise<void> {
    return GuardedGateway.writeUsers(this.directory, users);
  }

  private static async writeUsers(directory: string, users: readonly string[]): Promise<void> {
    const lines = await Promise.all(users.map(async (name) => `${name}:${(await hash(`pw:${name}`, 4)).replace('$2b', '$2y')}\n`));
    await fs.writeFile(join(directory, 'users'), lines.join(''));
  }

  send(method: string, target: string, { headers = {}, body, from = '127.0.0.1' }: Sent = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', localAddress: from, port: this.port, method, path: target, headers, agent: false as const };
      const sent = request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = text !== '' && /json/.test(answer.headers['content-type'] ?? '');
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async create(name: string, task: object = {}): Promise<string> {
    const body = JSON.stringify({ executors: [{ image: 'x', command: ['true'] }], ...task });
    const { status, json, text } = await this.send('POST', '/v1/tasks', { headers: as(name), body });
    if (status !== 200) throw new Error(text);
    return (json as { id: string }).id;
  }

  /** As by SIGHUP. */
  reopenFiles(): void {
    this.gateway.reopenFiles();
  }

  /** A personal API token of somebody's, as the header that holds it. */
  async token(name: string, wish: object = {}): Promise<{ readonly id: string; readonly authorization: string }> {
    const body = JSON.stringify({ name: 'made by a test', ...wish });
    const { status, json, text } = await this.send('POST', '/ext/v1/me/tokens', { headers: as(name), body });
    if (status !== 201) throw new Error(text);
    const { id, token } = json as { id: string; token: string };
    return { id, authorization: `Bearer ${token}` };
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await fs.rm(this.directory, { recursive: true, force: true });
  }
}

export function basic(text: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}

/** With the right password. */
export function as(name: string): { authorization: string } {
  return basic(`${name}:pw:${name}`);
}
