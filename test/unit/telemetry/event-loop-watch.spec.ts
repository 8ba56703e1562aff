import { TaskChanges } from '../../../src/engine/task-changes';
import { EventLoopWatch } from '../../../src/telemetry/event-loop-watch';
import { queuedTask } from '../../support/records';

it('a busy event loop is measured, and said with the tasks around it', async () => {
  const changes = new TaskChanges((error) => {
    throw error;
  });
  const delays: number[] = [];
  const change = (id: string) => changes.emit({ after: queuedTask({ id }), event: 'created' });
  let before = 0;
  // What was worked on is stored after the loop has come to its timers.
  const observe = (seconds: number): void => {
    if (delays.push(seconds) > before && seconds >= 0.1) setImmediate(() => change('new'));
  };
  const line = new Promise<[string, object | undefined]>((resolve) => {
    const log = { warn: (text: string, fields?: object) => resolve([text, fields]) };
    const watch = new EventLoopWatch(changes, log, observe, { everyMs: 5, slowMs: 100 });
    change('before-the-start');
    watch.start();
    change('long-ago');
    setTimeout(() => {
      before = delays.length;
      change('just-before');
      for (const end = performance.now() + 150; performance.now() < end;);
    }, 50);
  });
  const [text, fields] = await line;
  expect(text).toMatch(/^nothing was answered for 0\.\d s: the event loop was busy$/);
  expect(fields).toEqual({ ms: expect.any(Number) as number, tasks: ['just-before', 'new'] });
  expect(Math.max(...delays.slice(before))).toBeGreaterThanOrEqual(0.1);
});
