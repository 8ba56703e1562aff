import { statusOf } from '../../../../../src/backends/pulsar/pulsar.states';
import type { ScriptHost } from '../../../../../src/backends/shared/script/script-host';
import { ScriptObserver } from '../../../../../src/backends/shared/script/script-observer';
import { PLANNED } from '../../../../../src/backends/shared/script/script-report';
import { BackendError } from '../../../../../src/ports/errors';
import type { Handle } from '../../../../../src/task/task-record';

const JOB = 'tes-a-1';
const HANDLE: Handle = { backend: 'far', version: 1, step: 'submitted', data: {} };
const never = new AbortController().signal;

/** A job whose script has told nothing, on a server that says these words for it one after the other, the last for ever. */
class Silent {
  readonly asked: string[] = [];
  look: () => string = () => 'gone';
  private readonly observer: ScriptObserver;

  constructor(words: string[]) {
    const host: Partial<ScriptHost> = {
      get: async () => ({ bytes: Buffer.from(PLANNED) }),
      status: async () => statusOf((words.length > 1 ? words.shift() : words[0]) ?? null),
      run: async (verb) => {
        this.asked.push(verb);
        return Buffer.from(verb === 'look' ? this.look() : 'ended');
      },
    };
    this.observer = new ScriptObserver(host as ScriptHost);
  }

  /** What is seen of it after so many seconds. */
  async after(seconds: number): Promise<string> {
    jest.advanceTimersByTime(seconds * 1000);
    return (await this.observer.observe(JOB, HANDLE, 100, never)).phase;
  }
}

describe('a job of which nothing was heard yet', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it.each(['queued', 'preprocessing'])('is not doubted for a minute while Pulsar calls it %s', async (word) => {
    const job = new Silent([word]);
    expect([await job.after(0), await job.after(59), job.asked]).toEqual(['pending', 'pending', []]);
  });

  it.each(['queued', 'preprocessing', 'running'])(
    'is lost, and ended for certain, when it is still %s after a later errand',
    async (word) => {
      const job = new Silent([word]);
      expect([await job.after(0), await job.after(60), job.asked]).toEqual(['pending', 'lost', ['look', 'end']]);
    },
  );

  it('is not lost when its script lives, or when it came up while the errand was under way', async () => {
    const living = new Silent(['queued']);
    living.look = () => 'alive';
    expect([await living.after(0), await living.after(60), living.asked]).toEqual(['pending', 'pending', ['look']]);
    const come = new Silent(['queued', 'queued', 'running']);
    expect([await come.after(0), await come.after(60), come.asked]).toEqual(['pending', 'pending', ['look']]);
    const read = new Silent(['lost', 'preprocessing']);
    expect([await read.after(0), read.asked]).toEqual(['pending', ['look']]);
  });

  it('waits on where the errand waits in the queue too, and is asked about again only a minute later', async () => {
    const job = new Silent(['queued']);
    job.look = () => {
      throw new BackendError('a short job gives no answer', { retryable: true, unavailable: true });
    };
    expect([await job.after(0), await job.after(60), await job.after(30), job.asked]).toEqual(['pending', 'pending', 'pending', ['look']]);
    await job.after(60);
    expect(job.asked).toEqual(['look', 'look']);
  });
});
