import { setTimeout as pause } from 'node:timers/promises';
import { BackendError } from '../../../ports/errors';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import { isOver, isWaiting, type ScriptHost } from './script-host';
import { endForCertain, type ScriptObserver } from './script-observer';
import { CANCELLED, MARK, textFile } from './script-manifest';
import type { ScriptSettings } from './script.settings';

const KEPT_TAIL_BYTES = 16 * 1024;
/** Beyond the grace, a script that has seen the mark has this long for its last word. */
const LAST_WORD_MS = 12_000;
const LOOK_MS = 250;
/** A host may remove a directory while it answers; a large one may take longer. */
const REMOVAL_TRIES = 3;
const NOTED_TRIES = 10;
const NOTED_PAUSE_MS = 50;

/** How a job is ended before its time, and how what is left of it goes. */
export class ScriptEnding {
  constructor(
    private readonly host: ScriptHost,
    private readonly observer: ScriptObserver,
    private readonly settings: Pick<ScriptSettings, 'instance' | 'killGraceSeconds'>,
  ) {}

  async cancel(name: string, handle: Handle | undefined, signal: AbortSignal): Promise<Observation | undefined> {
    // An upload makes the directory where there is none, so that the mark outlives everything that may still be under way.
    const marks = [textFile(CANCELLED, 'cancelled\n'), textFile(MARK, `cancelled ${this.settings.instance}\n`)];
    try {
      await this.host.put(name, marks, signal);
    } catch (error) {
      // The inputs of a job that was never handed over may be what fills the worker's disk: without them there is room for the mark.
      if (!(error instanceof BackendError) || (await this.host.status(name, signal)) !== 'made') throw error;
      await this.host.remove(name, signal);
      await this.host.put(name, marks, signal);
    }
    if (!(await this.lastWord(name, signal))) await endForCertain(this.host, name, signal);
    return this.observer.remains(name, handle, KEPT_TAIL_BYTES, signal);
  }

  /** True when the script's own report says that nothing of the job is left, or when the host was never asked to start it. */
  private async lastWord(name: string, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + this.settings.killGraceSeconds * 1000 + LAST_WORD_MS;
    for (let isAsked = false; ;) {
      const view = await this.observer.view(name, signal);
      if (view.kind === 'none') return false;
      if (view.kind === 'report' && view.report.progress.ending) {
        // It says so just before it exits itself.
        await this.endIsNoted(name, signal);
        return !view.report.progress.notes.some((note) => note.word === 'left');
      }
      const status = await this.host.status(name, signal);
      // Handed over after this it meets the mark.
      if (view.kind === 'planned' && status === 'made') return true;
      // Only what has no process yet: a host may kill by a number that, after a restart, may be somebody else's.
      if (isWaiting(status) && !isAsked) {
        await this.host.stop(name, signal);
        isAsked = true;
      }
      // A script that the host saw end before it could say so will not speak any more.
      if (performance.now() > until || isOver(status)) {
        const last = await this.observer.view(name, signal);
        return last.kind === 'report' && last.report.progress.ending !== undefined;
      }
      await pause(LOOK_MS, undefined, { signal });
    }
  }

  async cleanup(name: string, handle: Handle | undefined, signal: AbortSignal): Promise<void> {
    const status = await this.host.status(name, signal);
    this.host.looked?.(name, true);
    this.observer.forget(name);
    if (status === 'none') return;
    const view = await this.observer.view(name, signal);
    if (view.kind === 'report' && !view.report.progress.ending) await this.cancel(name, handle, signal);
    if (view.kind === 'report') await this.endIsNoted(name, signal);
    for (let tries = 0; tries < REMOVAL_TRIES; tries += 1) {
      await this.host.remove(name, signal);
      if ((await this.host.status(name, signal)) === 'none') return;
    }
    const answer = (await this.host.run('remove', [name], signal)).toString().trim();
    if (answer !== 'removed' || (await this.host.status(name, signal)) !== 'none') {
      throw new BackendError(`the directory of a job cannot be removed by ${this.host.title}`, { retryable: true });
    }
  }

  /** What is removed before the host has noted its end may stay in its list of active jobs; after a restart it may never note it, nor list it. */
  private async endIsNoted(name: string, signal: AbortSignal): Promise<void> {
    for (let tries = 0; tries < NOTED_TRIES; tries += 1) {
      if (isOver(await this.host.status(name, signal))) return;
      await pause(NOTED_PAUSE_MS, undefined, { signal });
    }
  }
}
