import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from '../../support/certificates';
import { cacheDirectory, runScript } from '../engines';
import { endForGood } from '../server';

/** A real RabbitMQ on this machine (`start.sh`), which ends by itself with jest. */

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

/** A broker of one's own, to be killed, stopped and started again. Port and queues outlive its end. */
export class OwnRabbit {
  /** With `tls` it takes TLS too, by a certificate of an authority that nobody knows. */
  static async start({ tls = false } = {}): Promise<OwnRabbit> {
    const below = join(cacheDirectory, 'rabbitmq');
    mkdirSync(below, { recursive: true });
    const directory = mkdtempSync(join(below, 'own-'));
    if (tls) mkdirSync(join(directory, 'tls'));
    const rabbit = new OwnRabbit(directory, tls ? makeCertificates(join(directory, 'tls')) : undefined);
    await rabbit.startAgain();
    return rabbit;
  }

  url = '';
  /** Over TLS; empty without it. */
  tlsUrl = '';

  private constructor(
    readonly directory: string,
    readonly certificates: Certificates | undefined,
  ) {}

  get pid(): number {
    return Number(readFileSync(join(this.directory, 'rabbit.pid'), 'utf8'));
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  async startAgain(): Promise<void> {
    const answer = await runScript('rabbitmq/start.sh', [
      '--owner',
      String(jestProcess),
      ...(this.certificates ? ['--tls'] : []),
      this.directory,
    ]);
    this.url = /^AMQP_URL=(.*)$/m.exec(answer)?.[1] ?? '';
    this.tlsUrl = /^AMQPS_URL=(.*)$/m.exec(answer)?.[1] ?? '';
  }

  async stop(): Promise<void> {
    await runScript('rabbitmq/stop.sh', [this.directory]);
  }

  kill9(): Promise<void> {
    return endForGood(this.pid);
  }

  async remove(): Promise<void> {
    await this.stop();
    if (process.env['TES_GATEWAY_KEEP'] !== undefined) return;
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
