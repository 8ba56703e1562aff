import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { BackendError } from '../../ports/errors';
import { within } from '../../ports/within';
import { isOver, type ReadFile, type ScriptHost, type Verb } from '../shared/script/script-host';
import { pauseFor } from './pulsar-faults';
import { ANSWER, errandCommandLine, type PlacedFile, scriptFile } from './pulsar.manifest';

const ANSWER_BYTES = 16 << 20;
const FIRST_LOOK_MS = 40;
const LONGEST_LOOK_MS = 1000;
const ERRAND_MS = 30_000;
const FORGET_MS = 10_000;
const END_TRIES = 25;

/** What they need of the REST interface. */
export interface ErrandServer extends Pick<ScriptHost, 'make' | 'status' | 'remove'> {
  place(id: string, file: PlacedFile, signal: AbortSignal): Promise<void>;
  submit(id: string, commandLine: string, signal: AbortSignal): Promise<void>;
  fetch(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<ReadFile | undefined>;
  cancel(id: string, signal: AbortSignal): Promise<void>;
}

/**
 * Short jobs of the gateway's own (errand.sh) for what the interface cannot say: what the worker has, whether a script lives, which
 * directories there are; and for ending for certain what a job left. Each has a name of its own and is removed when it has answered.
 */
export class PulsarErrands {
  constructor(
    private readonly client: ErrandServer,
    private readonly backend: string,
    private readonly script: string,
  ) {}

  async run(verb: Verb, words: readonly string[], signal: AbortSignal): Promise<Buffer> {
    const id = `tes-errand-${randomBytes(8).toString('hex')}`;
    let isAnswered = false;
    try {
      const answer = await within(signal, ERRAND_MS, async (limited) => {
        await this.client.make(id, limited);
        await this.client.place(id, scriptFile(Buffer.from(this.script)), limited);
        await this.client.submit(id, errandCommandLine(verb, words), limited);
        return this.answer(id, verb, limited);
      });
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
    for (let tries = 0; tries < END_TRIES && !isOver(await this.client.status(id, signal)); tries += 1) {
      await pause(FIRST_LOOK_MS, undefined, { signal });
    }
    await this.client.remove(id, signal);
  }

  private async answer(id: string, verb: string, signal: AbortSignal): Promise<Buffer> {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, LONGEST_LOOK_MS)) {
      await pauseFor(wait, `a short job (${verb}) on the Pulsar server of ${this.backend} gives no answer`, signal);
      // Asked first, so that an answer that comes meanwhile is not missed; it also lets Pulsar note the end.
      const status = await this.client.status(id, signal);
      const file = await this.client.fetch(id, ANSWER, ANSWER_BYTES, signal);
      if (file) return file.bytes;
      if (isOver(status)) {
        throw new BackendError(`the Pulsar server of ${this.backend} ended a short job (${verb}) without an answer`, {
          retryable: true,
        });
      }
    }
  }
}
