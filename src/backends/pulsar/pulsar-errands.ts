import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { BackendError } from '../../ports/errors';
import type { Errands } from './pulsar-client';
import type { PulsarRestClient } from './pulsar-rest.client';
import { errandCommandLine, SCRIPT } from './pulsar.manifest';
import { meaningOf } from './pulsar.states';

const ANSWER_BYTES = 16 << 20;
const FIRST_LOOK_MS = 40;
const LONGEST_LOOK_MS = 1000;
const ERRAND_MS = 30_000;
const FORGET_MS = 10_000;
const END_TRIES = 25;

/**
 * Short jobs of the gateway's own (errand.sh) for what the interface cannot say: what the worker has, whether a script lives, which
 * directories there are; and for ending for certain what a job left. Each has a name of its own and is removed when it has answered.
 */
export class PulsarErrands implements Errands {
  constructor(
    private readonly client: PulsarRestClient,
    private readonly backend: string,
    private readonly script: string,
  ) {}

  async run(
    verb: 'probe' | 'entries' | 'look' | 'end' | 'names' | 'stager' | 'remove',
    words: readonly string[],
    signal: AbortSignal,
  ): Promise<Buffer> {
    const id = `tes-errand-${randomBytes(8).toString('hex')}`;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ERRAND_MS)]);
    let isAnswered = false;
    try {
      await this.client.setup(id, limited);
      await this.client.put(id, 'tool', SCRIPT, Buffer.from(this.script), limited);
      await this.client.submit(id, errandCommandLine(verb, words), limited);
      const answer = await this.answer(id, verb, limited);
      isAnswered = true;
      return answer;
    } finally {
      // Also when the caller has given up: nobody else knows of it.
      await this.forget(id, isAnswered, AbortSignal.timeout(FORGET_MS)).catch(() => undefined);
    }
  }

  /** Pulsar notes an end only when it is asked; what is removed before stays in its list of active jobs until its next start. */
  private async forget(id: string, isAnswered: boolean, signal: AbortSignal): Promise<void> {
    if (!isAnswered) await this.client.cancel(id, signal);
    for (let tries = 0; tries < END_TRIES && meaningOf(await this.client.status(id, signal)) !== 'over'; tries += 1) {
      await pause(FIRST_LOOK_MS, undefined, { signal });
    }
    await this.client.remove(id, signal);
  }

  private async answer(id: string, verb: string, signal: AbortSignal): Promise<Buffer> {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, LONGEST_LOOK_MS)) {
      await this.rest(wait, verb, signal);
      // Asked first, so that an answer that comes meanwhile is not missed; it also lets Pulsar note the end.
      const status = await this.client.status(id, signal);
      const file = await this.client.get(id, 'answer', ANSWER_BYTES, signal);
      if (file) return file.bytes;
      if (meaningOf(status) === 'over') {
        throw new BackendError(`the Pulsar server of ${this.backend} ended a short job (${verb}) without an answer`, {
          retryable: true,
        });
      }
    }
  }

  private async rest(ms: number, verb: string, signal: AbortSignal): Promise<void> {
    try {
      await pause(ms, undefined, { signal });
    } catch (error) {
      if (signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError') {
        throw new BackendError(`a short job (${verb}) on the Pulsar server of ${this.backend} gives no answer`, {
          retryable: true,
          unavailable: true,
        });
      }
      throw error;
    }
  }
}
