import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BackendError } from '../../ports/errors';
import { within } from '../../ports/within';
import type { Verb } from '../shared/script/script-host';
import { assignment } from '../shared/shell-quote';
import type { JobUpdate, PulsarAmqpClient } from './pulsar-amqp.client';
import { messageFile } from './pulsar-amqp.messages';
import { pauseFor } from './pulsar-faults';
import { ANSWER, SCRIPT, errandCommandLine } from './pulsar.manifest';
import { statusOf } from './pulsar.states';

const ERRAND_MS = 60_000;
const FIRST_LOOK_MS = 80;
const LONGEST_LOOK_MS = 2000;
const MOST_EARLIER = 500;
/** Words on a command line; more goes as files. */
const WORDS_BYTES = 100_000;

type ErrandVerb = Verb | 'read' | 'part' | 'write';

/**
 * Errands where nothing but a broker leads to the server: the script travels in the message, the answer in the last update. There is no
 * message that removes a directory, so each errand removes those of the ones that have answered before it.
 *
 * Pulsar takes its messages one after the other: an errand that has answered came after everything that was sent before it.
 */
export class AmqpErrands {
  /** Absolute, on the worker: where the directories of jobs lie. Known once an errand has answered. */
  stagingRoot: string | undefined;
  version: string | undefined;
  /** How far the worker's clock is ahead of this one, as the last errand found it. */
  skewMs = 0;
  private readonly wrapper = readFileSync(join(__dirname, 'errand-amqp.sh'), 'utf8');
  private readonly waiting = new Map<string, (update: JobUpdate) => void>();
  private earlier: string[] = [];

  constructor(
    private readonly amqp: PulsarAmqpClient,
    private readonly backend: string,
    private readonly script: string,
  ) {
    amqp.listen((update) => {
      if (update.version !== undefined) this.version = update.version;
      this.waiting.get(update.jobId)?.(update);
    });
  }

  async run(verb: ErrandVerb, words: readonly string[], signal: AbortSignal): Promise<Buffer> {
    const id = `tes-errand-${randomBytes(8).toString('hex')}`;
    const done = new AbortController();
    const last = new Promise<JobUpdate>((resolve) => {
      this.waiting.set(id, (update) => {
        // Nothing is known of it until its message is read.
        if (statusOf(update.status) === 'ended') resolve(update);
      });
    });
    const removed = this.earlier;
    this.earlier = [];
    try {
      const update = await within(signal, ERRAND_MS, async (limited) => {
        await this.amqp.setup(this.message(id, verb, words, removed), limited, { expireMs: ERRAND_MS });
        return Promise.race([last, this.ask(id, verb, AbortSignal.any([limited, done.signal]))]);
      });
      const answer = this.read(update, verb);
      this.remember(id);
      return answer;
    } catch (error) {
      // Perhaps it was never carried out; removing twice does no harm.
      for (const other of [...removed, id]) this.remember(other);
      throw error;
    } finally {
      this.waiting.delete(id);
      done.abort();
    }
  }

  private message(id: string, verb: ErrandVerb, words: readonly string[], removed: readonly string[]): Readonly<Record<string, unknown>> {
    const line = errandCommandLine(verb, words, 'amqp.sh');
    if (line.length > WORDS_BYTES)
      throw new BackendError('a file is too long for a server that is reached through a broker alone', { retryable: false });
    return {
      job_id: id,
      setup: true,
      command_line: line,
      remote_staging: {
        setup: [
          messageFile(SCRIPT, this.script),
          messageFile('amqp.sh', `#!/bin/sh\n${assignment('EARLIER', removed.join(' '))}\n${this.wrapper}`),
        ],
      },
      dynamic_file_sources: [{ path: ANSWER, type: 'galaxy' }],
    };
  }

  /** Pulsar looks for ends twice a second; asked, it looks at once. */
  private async ask(id: string, verb: ErrandVerb, signal: AbortSignal): Promise<never> {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, LONGEST_LOOK_MS)) {
      await pauseFor(wait, `a short job (${verb}) on the Pulsar server of ${this.backend} gives no answer`, signal);
      await this.amqp.askStatus(id, signal);
    }
  }

  private read(update: JobUpdate, verb: ErrandVerb): Buffer {
    const [time = '', text = ''] = (update.told.get(ANSWER) ?? '').split('\n');
    if (time === '' || text === 'none') {
      throw new BackendError(`the Pulsar server of ${this.backend} ended a short job (${verb}) without an answer`, { retryable: true });
    }
    this.skewMs = Number(time) * 1000 - Date.now();
    if (update.directory !== undefined) this.stagingRoot = update.directory.slice(0, update.directory.lastIndexOf('/'));
    return Buffer.from(text, 'base64');
  }

  private remember(id: string): void {
    if (this.earlier.length < MOST_EARLIER && !this.earlier.includes(id)) this.earlier.push(id);
  }
}
