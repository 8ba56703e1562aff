import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { LocalBackend } from '../../src/backends/local/local.backend';
import { FileStorage } from '../../src/storage/file/file.storage';
import type { TesTask, TesTaskRequest } from '../../src/task/tes';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import { localSettings } from '../contract/backend/local-backend.fixture';
import { describeEngine } from '../system/engines';
import { TestGateway } from './app';
import { Client } from './client';

/** What the fine print says of running programs, over HTTP, on real programs and real files. */
describeEngine('bubblewrap', 'tasks over HTTP', (engine) => {
  let gateway: TestGateway;
  let directory: string;
  const client = new Client(() => gateway.port);
  beforeAll(async () => {
    directory = await makeWorkDirectory('e2e');
    await fs.mkdir(join(directory, 'data'));
    gateway = await TestGateway.start({
      backends: [new LocalBackend(localSettings(engine(), join(directory, 'work')))],
      storage: [new FileStorage({ allowed: [join(directory, 'data')] })],
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await fs.rm(directory, { recursive: true, force: true });
  });

  const data = (name: string): string => join(directory, 'data', name);
  const put = (name: string, text: string): Promise<void> =>
    fs.mkdir(join(data(name), '..'), { recursive: true }).then(() => fs.writeFile(data(name), text));
  const read = (name: string): Promise<string> => fs.readFile(data(name), 'utf8');
  const sh = (script: string) => ({ image: 'busybox', command: ['/bin/sh', '-c', script] });
  const exitCodes = (task: TesTask): (number | undefined)[] => task.logs?.[0]?.logs.map(({ exit_code }) => exit_code) ?? [];
  async function carryOut(
    task: Partial<TesTaskRequest> | Record<string, unknown>,
    state: 'COMPLETE' | 'EXECUTOR_ERROR' | 'SYSTEM_ERROR' = 'COMPLETE',
  ): Promise<TesTask> {
    return client.until(await client.create(task), state);
  }

  it('contract 32: workdir is made, /tmp is fresh and writable, a missing output is passed over, FILE may be a directory', async () => {
    const task = await carryOut({
      executors: [
        {
          ...sh('set -e; pwd; test -z "$(ls -A /tmp)"; touch /tmp/x; mkdir outdir; echo a > outdir/a; echo b > outdir/b'),
          workdir: '/not/there/yet',
        },
      ],
      outputs: [
        { path: '/not/there/yet/outdir', url: data('32/dir'), type: 'FILE' },
        { path: '/not/there/yet/missing', url: data('32/missing') },
      ],
    });
    expect(task.logs?.[0]?.logs[0]?.stdout).toBe('/not/there/yet\n');
    expect([await read('32/dir/a'), await read('32/dir/b')]).toEqual(['a\n', 'b\n']);
    expect(task.outputs?.[0]?.type).toBe('DIRECTORY');
    expect(task.logs?.[0]?.system_logs?.join('\n')).toContain('/not/there/yet/missing');
  });

  it('fine print 20: executors run one after the other and see the same inputs and volumes', async () => {
    const task = await carryOut({
      inputs: [{ path: '/in/text', content: 'input' }],
      volumes: ['/vol'],
      executors: [sh('cat /in/text > /vol/one'), sh('cat /vol/one /in/text > /vol/two'), sh('cat /vol/two')],
    });
    expect([exitCodes(task), task.logs?.[0]?.logs[2]?.stdout]).toEqual([[0, 0, 0], 'inputinput']);
  });

  it('fine print 21: the first error ends the task', async () => {
    const task = await carryOut({ executors: [sh('exit 0'), sh('exit 3'), sh('exit 0')] }, 'EXECUTOR_ERROR');
    expect(exitCodes(task)).toEqual([0, 3]);
  });

  it('fine print 21 and 22: an ignored error is recorded, and the task goes on and completes', async () => {
    const task = await carryOut({
      executors: [{ ...sh('exit 4'), ignore_error: true }, sh('exit 0'), { ...sh('exit 5'), ignore_error: true }],
    });
    expect(exitCodes(task)).toEqual([4, 0, 5]);
  });

  it('fine print 23: stdin comes from its file, stdout and stderr go to theirs', async () => {
    await carryOut({
      inputs: [{ path: '/in', content: 'from stdin' }],
      executors: [{ ...sh('cat; echo oops >&2'), stdin: '/in', stdout: '/out/o', stderr: '/out/e' }],
      outputs: [
        { path: '/out/o', url: data('23/o') },
        { path: '/out/e', url: data('23/e') },
      ],
    });
    expect([await read('23/o'), await read('23/e')]).toEqual(['from stdin', 'oops\n']);
  });

  it('fine print 25: env is set, byte for byte, and command is argv without a shell', async () => {
    const hostile = `a 'b' "c" $HOME \`id\` \\n ; & ü\n-x`;
    const task = await carryOut({
      executors: [
        { image: 'busybox', command: ['/usr/bin/printenv', 'A'], env: { A: hostile } },
        { image: 'busybox', command: ['/bin/echo', '-n', hostile, '$A', '*'] },
      ],
    });
    expect(task.logs?.[0]?.logs.map(({ stdout }) => stdout)).toEqual([`${hostile}\n`, `${hostile} $A *`]);
  });

  it('fine print 28 and 30: inputs come from bare paths and file URLs, and content wins over url', async () => {
    await put('28/a', 'bare');
    await put('28/b', 'file url');
    const task = await carryOut({
      inputs: [
        { path: '/in/a', url: data('28/a') },
        { path: '/in/b', url: `file://${data('28/b')}` },
        { path: '/in/c', url: data('28/none'), content: 'content' },
      ],
      executors: [sh('cat /in/a /in/b /in/c')],
    });
    expect(task.logs?.[0]?.logs[0]?.stdout).toBe('barefile urlcontent');
  });

  it('fine print 31: the type that is found is filled in', async () => {
    await put('31/dir/file', 'x');
    const task = await carryOut({
      inputs: [{ path: '/in', url: data('31/dir') }],
      executors: [sh('cat /in/file; mkdir /tmp/d')],
      outputs: [{ path: '/tmp/d', url: data('31/out') }],
    });
    expect([task.inputs?.[0]?.type, task.outputs?.[0]?.type]).toEqual(['DIRECTORY', 'DIRECTORY']);
  });

  it('fine print 32: nothing runs before every input is there', async () => {
    const task = await carryOut({ inputs: [{ path: '/in', url: data('32/never') }], executors: [sh('echo ran')] }, 'SYSTEM_ERROR');
    expect(task.logs?.flatMap(({ logs }) => logs) ?? []).toEqual([]);
    expect(task.logs?.at(-1)?.system_logs?.at(-1)).toContain('32/never');
  });

  it('fine print 36 and 37: POSIX wildcards, a slash and a leading dot only literally', async () => {
    await carryOut({
      executors: [sh('mkdir -p /o/sub && cd /o && touch a1.txt a2.txt b1.txt .hidden.txt c.log sub/a3.txt "lit*.txt" lit1.txt')],
      outputs: [
        { path: '/o/a?.txt', path_prefix: '/o', url: data('36/question') },
        { path: '/o/[!a]*.txt', path_prefix: '/o', url: data('36/not') },
        { path: '/o/*', path_prefix: '/o', url: data('36/star') },
        { path: '/o/l?t\\*.txt', path_prefix: '/o', url: data('36/quoted') },
      ],
    });
    expect((await fs.readdir(data('36/question'))).sort()).toEqual(['a1.txt', 'a2.txt']);
    expect((await fs.readdir(data('36/not'))).sort()).toEqual(['b1.txt', 'lit*.txt', 'lit1.txt']);
    expect(await fs.readdir(data('36/star'))).not.toContain('.hidden.txt');
    expect(await fs.readdir(data('36/quoted'))).toEqual(['lit*.txt']);
  });

  it('fine print 38: the URL is url and the path without its prefix', async () => {
    const task = await carryOut({
      executors: [sh('mkdir -p /o/x/y && echo 1 > /o/x/y/one')],
      outputs: [{ path: '/o/x/*/one', path_prefix: '/o/x', url: data('38') }],
    });
    expect(await read('38/y/one')).toBe('1\n');
    expect(task.logs?.[0]?.outputs).toEqual([{ url: data('38/y/one'), path: '/o/x/y/one', size_bytes: '2' }]);
  });

  it('fine print 39: exactly one slash joins, whatever the ends look like, and no match is no error', async () => {
    const task = await carryOut({
      executors: [sh('mkdir -p /o && echo 1 > /o/one')],
      outputs: [
        { path: '/o/on*', path_prefix: '/o/', url: `${data('39')}/` },
        { path: '/o/none*', path_prefix: '/o', url: data('39n') },
      ],
    });
    expect(task.logs?.[0]?.outputs.map(({ url }) => url)).toEqual([data('39/one')]);
  });

  it('fine print 40: COMPLETE means that the outputs are stored, else SYSTEM_ERROR', async () => {
    await put('40/file', 'x');
    const task = await carryOut(
      { executors: [sh('echo 1 > /tmp/o')], outputs: [{ path: '/tmp/o', url: data('40/file/below') }] },
      'SYSTEM_ERROR',
    );
    expect(task.logs?.at(-1)?.system_logs?.at(-1)).toContain('40/file/below');
    expect(exitCodes(task)).toEqual([0]);
  });

  it('fine print 40: outputs are stored after an executor error too', async () => {
    const task = await carryOut(
      { executors: [sh('echo partial > /tmp/o; exit 9')], outputs: [{ path: '/tmp/o', url: data('40/partial') }] },
      'EXECUTOR_ERROR',
    );
    expect([await read('40/partial'), exitCodes(task)]).toEqual(['partial\n', [9]]);
  });

  it('fine print 41: the output is at its url when the state says COMPLETE', async () => {
    await carryOut({ executors: [sh('echo done > /tmp/o')], outputs: [{ path: '/tmp/o', url: `file://${data('41/made/by/us')}` }] });
    expect(await read('41/made/by/us')).toBe('done\n');
  });

  it('fine print 49: volumes begin empty', async () => {
    const task = await carryOut({ volumes: ['/srv', '/vol/a/'], executors: [sh('ls -A /srv /vol/a')] });
    expect(task.logs?.[0]?.logs[0]?.stdout).toBe('/srv:\n\n/vol/a:\n');
  });

  it('fine print 71: every file of a directory or wildcard output is listed', async () => {
    const task = await carryOut({
      executors: [sh('mkdir -p /o/d/e; echo 12 > /o/d/a; echo 1 > /o/d/e/b; : > /o/c')],
      outputs: [
        { path: '/o/d', url: data('71/d'), type: 'DIRECTORY' },
        { path: '/o/c*', path_prefix: '/o', url: data('71') },
      ],
    });
    const files = task.logs?.[0]?.outputs.map(({ path, size_bytes }) => `${path} ${size_bytes}`).sort();
    expect(files).toEqual(['/o/c 0', '/o/d/a 3', '/o/d/e/b 2']);
  });

  it('fine print 55: CANCELED means that nothing runs any more', async () => {
    const id = await client.create({ executors: [sh('echo begun; while :; do sleep 1; done')], volumes: ['/vol'] });
    await client.until(id, 'RUNNING');
    await client.cancel(id);
    await client.until(id, 'CANCELED');
    const cmdlines = await Promise.all(
      (await fs.readdir('/proc'))
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => fs.readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')),
    );
    expect(cmdlines.filter((text) => text.includes(`tes-${id}-`))).toEqual([]);
  });

  it('streams the log of a running executor, and ends with it', async () => {
    const id = await client.create({
      executors: [sh('echo one; while ! [ -e /vol/go ]; do sleep 0.1; done; echo two'), sh('true')],
      volumes: ['/vol'],
      outputs: [],
    });
    const url = `http://127.0.0.1:${gateway.port}/ext/v1/tasks/${id}/logs/0/stdout`;
    const answer = await fetch(`${url}?follow=true`);
    const reader = answer.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from((first?.value ?? []) as Uint8Array).toString()).toBe('one\n');
    await client.cancel(id);
    await client.until(id, 'CANCELED');
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read());
    expect(await (await fetch(`${url}?offset=1`)).text()).toBe('ne\n');
  });

  it('gives binary output as valid JSON', async () => {
    const task = await carryOut({ executors: [sh(`printf 'a\\377\\200b\\0c'`)] });
    expect(task.logs?.[0]?.logs[0]?.stdout).toBe('a\ufffd\ufffdb\u0000c');
  });

  it('names the setting when a file is outside of what is allowed', async () => {
    const answer = await client.post({ executors: [sh('true')], inputs: [{ path: '/in', url: '/etc/passwd' }] });
    expect(answer).toMatchObject({ status: 400, json: { details: [{ path: '$.inputs[0].url' }] } });
    expect(answer.text).toContain('storage.file.allowed');
  });
});
