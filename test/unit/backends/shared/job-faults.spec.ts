import { breachesOf, isUnknownImage, systemErrorOf } from '../../../../src/backends/shared/job-faults';
import type { JobFacts } from '../../../../src/backends/shared/job-facts';
import { parseProgress } from '../../../../src/backends/shared/job-progress';
import { ENDING_PHASES } from '../../../../src/backends/shared/job-report';

const FACTS: JobFacts = {
  version: 1,
  runtime: 'podman',
  maxRuntimeSeconds: 60,
  memoryBytes: 256 * 2 ** 20,
  pids: 100,
  systemLogs: [],
  executors: [{ image: 'alpine:3', stdin: '/work/in', workdir: '/w' }],
};
const errorOf = (text: string, detail?: string) => systemErrorOf(parseProgress(text), FACTS, detail);

describe('how a script ended', () => {
  it("is the executor's own when one failed", () => {
    for (const word of ['succeeded', 'failed', 'timeout', 'cancelled'] as const) expect(errorOf(`done 1.0 ${word}\n`)).toBeUndefined();
    expect(ENDING_PHASES).toMatchObject({
      succeeded: 'succeeded',
      failed: 'failed',
      timeout: 'failed',
      broken: 'failed',
      cancelled: 'lost',
    });
  });

  it('names what the request got wrong, which no other attempt mends', () => {
    expect(errorOf('stdin 1.0 0\ndone 1.0 prepare\n')).toMatchObject({
      retryable: false,
      message: expect.stringContaining('/work/in') as string,
    });
    expect(errorOf('workdir 1.0 0\ndone 1.0 prepare\n')).toMatchObject({
      retryable: false,
      message: expect.stringContaining('/w') as string,
    });
    expect(errorOf('noimage 1.0 0\ndone 1.0 prepare\n')).toMatchObject({
      retryable: false,
      message: expect.stringContaining('alpine:3') as string,
    });
  });

  it('tries a pull again that broke off, but not one that was refused', () => {
    expect(errorOf('pull 1.0 0\ndone 1.0 prepare\n', 'connection reset by peer')?.retryable).toBe(true);
    expect(errorOf('pull 1.0 0\ndone 1.0 prepare\n', 'manifest unknown')?.retryable).toBe(false);
    expect(isUnknownImage('pull access denied')).toBe(true);
    for (const words of [
      'i/o timeout',
      'permission denied while trying to connect to the docker daemon socket',
      'dial unix /run/docker.sock: connect: permission denied',
      'lookup registry.example: host not found: no such host',
    ]) {
      expect([words, isUnknownImage(words)]).toEqual([words, false]);
    }
    for (const words of [
      'pull access denied for x, repository does not exist',
      'denied: requested access to the resource is denied',
      'no matching manifest for linux/arm64',
      'manifest for x:1 not found',
      'unauthorized: authentication required',
    ]) {
      expect([words, isUnknownImage(words)]).toEqual([words, true]);
    }
  });

  it('blames the engine for what the engine did', () => {
    expect(errorOf('engine 1.0 0\ndone 1.0 prepare\n')).toMatchObject({ retryable: true, message: 'podman did not answer' });
    expect(errorOf('broken 1.0 0 125\ndone 1.0 broken\n', 'out of luck')).toMatchObject({
      retryable: true,
      message: expect.stringContaining('out of luck') as string,
    });
  });

  it('does not take the words of a program for those of an engine that lost sight of it', () => {
    expect(errorOf('unwatched 1.0 0\nbroken 1.0 0 127\ndone 1.0 broken\n', 'said by the program')).toEqual({
      retryable: true,
      message: 'podman cannot tell how an executor ended: the watcher of its container was gone before it',
    });
  });

  it('says that the disk is full, which setting leads there, and that it may be tried again', () => {
    for (const word of ['prepare', 'broken']) {
      expect(errorOf(`disk 1.0 0\ndone 1.0 ${word}\n`, 'said by the program')).toEqual({
        retryable: true,
        message: expect.stringMatching(/^the disk of the workspaces is full: make room where work_dir of the gateway lies/) as string,
      });
    }
  });

  it('tells processes that somebody killed from those that a memory limit ended', () => {
    const text = 'killed 1.0 0\nend 1.0 0 137\ndone 1.0 failed\n';
    expect(errorOf(text)).toEqual({ retryable: true, message: 'the processes of executor 0 were killed from outside' });
    expect(errorOf(`oom 1.0 0\n${text}`)).toBeUndefined();
  });

  it('names each limit that was reached', () => {
    const breaches = (text: string): readonly string[] => breachesOf(parseProgress(text), FACTS);
    expect(breaches('')).toEqual([]);
    expect(breaches('oom 1.0 job\npids 1.0 job\ntimeout 1.0 job\n')).toEqual([
      'memory limit 256 MB reached',
      'limit of 100 processes reached',
      'time limit of 60 s reached',
    ]);
    expect(breaches('done 1.0 timeout\n')).toEqual(['time limit of 60 s reached']);
  });
});
