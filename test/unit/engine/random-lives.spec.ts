import type * as timers from 'node:timers/promises';
import fc from '../../support/property';
import { type Act, Life, newStore, type Setting } from '../../support/life';
import type { Ending, Verdict } from '../../support/scripted-backend';

const ENDINGS: readonly Ending['phase'][] = ['succeeded', 'failed', 'lost', 'preempted', 'system-error'];
const which = fc.nat(1);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('create' as const),
      looks: fc.constantFrom(0, 1, 2, 4, 30),
      ending: fc.constantFrom(...ENDINGS),
      files: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('cancel' as const), which: fc.nat(5), ms: fc.constantFrom(0, 100, 1_000), turns: fc.nat(8) }),
  },
  { weight: 5, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 400, 3_000, 20_000) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('crash' as const), which }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('power' as const) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('crashAfter' as const), which, calls: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('clock' as const), ms: fc.constantFrom(-3_600_000, -500, 500, 86_400_000) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('cutOff' as const), which, ms: fc.constantFrom(1_000, 20_000, 60_000) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('nudge' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('storage' as const), trickles: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('stall' as const), ms: fc.constantFrom(5_000, 40_000) }) },
);
const verdict = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  fc.constantFrom<Verdict>('before', 'after', 'late', 'stale', 'hangs', 'gone'),
);

/** Pauses, too, are to end by the imaginary clock, which these do not know. */
jest.mock('node:timers/promises', () => ({
  ...jest.requireActual<typeof timers>('node:timers/promises'),
  setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      const abort = (): void => reject(signal?.reason as Error);
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      setTimeout(() => resolve(value), ms);
    }),
}));

/** Of the real clock: a life takes some hundredths of a second. */
const LONGEST_LIFE_MS = 60_000;
const realSetTimeout = setTimeout;

describe('random lives', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    // The limits of calls, too, are to come by the imaginary clock.
    jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new DOMException('timed out', 'TimeoutError')), ms);
      return controller.signal;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('lose no task, change no terminal state, start no job twice in one attempt, and all end when faults stop', async () => {
    // Lives that hang are not shrunk: each try would take as long.
    let hangs = false;
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 1, maxLength: 25 }),
        fc.array(verdict, { minLength: 1, maxLength: 40 }),
        fc.constantFrom<Setting>('alone', 'shared', 'two'),
        async (acts, verdicts, setting) => {
          if (hangs) return;
          const life = new Life(await newStore(), verdicts, setting);
          const whole = live(life, acts);
          let limit: NodeJS.Timeout | undefined;
          const late = new Promise<'hangs'>((resolve) => (limit = realSetTimeout(() => resolve('hangs'), LONGEST_LIFE_MS)));
          hangs = (await Promise.race([whole, late]).finally(() => clearTimeout(limit))) === 'hangs';
          if (hangs) throw new Error('this life waits for something that never comes');
        },
      ),
      { numRuns: Number(process.env['TES_GATEWAY_TEST_LIVES'] ?? 100) },
    );
  }, 600_000);
});

async function live(life: Life, acts: readonly Act[]): Promise<void> {
  try {
    await life.boot();
    for (const one of acts) await life.play(one);
    await life.peace();
    await life.check();
  } finally {
    await life.end();
  }
}
