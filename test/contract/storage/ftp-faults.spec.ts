import { mkdirSync } from 'node:fs';
import { symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Secret } from '../../../src/ports/credentials';
import { TransferError } from '../../../src/ports/errors';
import type { StorageClient } from '../../../src/ports/storage-client';
import { FtpStorage } from '../../../src/storage/ftp/ftp.storage';
import { OwnersFtpStorage } from '../../../src/storage/ftp/owners-ftp.storage';
import { describeFtp, passwordOf } from '../../system/pureftpd/pureftpd';
import { type FtpPlace, FTP_SETTINGS, openPlace } from './ftp-place';
import { CUT, HAND_ON, type Said } from './ftp-proxy';

const { signal } = new AbortController();

describeFtp('faults', (ftp) => {
  let place: FtpPlace;
  beforeEach(async () => {
    place = await openPlace(ftp());
    await writeFile(join(place.directory, 'file'), '0123456789');
  });
  afterEach(() => place.close());

  const url = (name: string): string => `${place.base}/${name}`;
  const read = async (client: StorageClient = place.client, name = 'file'): Promise<string> =>
    text(await client.read(url(name), {}, signal));
  const write = (client: StorageClient = place.client) =>
    client.write(url('out/new'), Readable.from([Buffer.from('a text')]), { sizeBytes: 6 }, signal);
  const failureOf = async (work: Promise<unknown>): Promise<TransferError> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TransferError);
    return error as TransferError;
  };
  /** Says something else than the server does to what begins with a command, from the given time on. */
  const replying = (begin: string, said: Said, code = ''): void => {
    place.proxy.reply = (command, reply) => (command.startsWith(begin) && reply.startsWith(code) ? said : reply);
  };

  it.each([
    ['421', 'USER', { retryable: true, away: { answered: true } }, 'unavailable, or too many connections'],
    ['530', 'PASS', { retryable: false, away: undefined }, 'credentials are missing or wrong'],
    ['534', 'USER', { retryable: false, away: undefined }, 'it wants TLS: ftps://'],
    ['550', 'MLST', { retryable: false, notFound: true }, 'not found, or not for this user'],
    ['450', 'RETR', { retryable: true, away: { answered: true, brief: true } }, 'the file is in use'],
    ['451', 'RETR', { retryable: true, away: { answered: true, brief: true } }, 'a fault of the server'],
    ['425', 'RETR', { retryable: true, away: undefined }, 'no data connection'],
  ])('a read that is answered %s to %s', async (code, command, meaning, words) => {
    replying(command, `${code} no`);
    const error = await failureOf(read());
    expect(error).toMatchObject(meaning);
    expect(error.publicMessage).toBe(`${url('file')} cannot be read: the server answered ${code} (${words})`);
  });

  it.each([
    ['452', 'STOR', '', { retryable: true, away: { answered: true } }, 'its disk is full'],
    ['552', 'STOR', '226', { retryable: true, away: { answered: true } }, 'its disk is full'],
    ['553', 'STOR', '', { retryable: false, away: undefined }, 'the name is not allowed'],
    ['550', 'RNTO', '', { retryable: false, notFound: false }, 'not found, or not for this user'],
    ['426', 'STOR', '226', { retryable: true, away: undefined }, 'the data connection was closed'],
  ])('a write that is answered %s to %s leaves nothing', async (code, command, after, meaning, words) => {
    if (after !== '') replying(command, `${code} no`, after);
    else place.proxy.command = (sent) => (sent.startsWith(command) ? `${code} no` : HAND_ON);
    const error = await failureOf(write());
    expect(error).toMatchObject(meaning);
    expect(error.publicMessage).toContain(`the server answered ${code} (${words})`);
    expect(await place.names()).toEqual(['file']);
  });

  it('of content that is closed without an error end the write, and leave nothing', async () => {
    const content = new Readable({ read: () => undefined });
    content.push('half');
    place.proxy.reply = (command, reply) => {
      if (command.startsWith('STOR') && reply.startsWith('150')) content.destroy();
      return reply;
    };
    const error = await failureOf(place.client.write(url('out/new'), content, {}, signal));
    expect(error).toMatchObject({ retryable: true, away: undefined });
    expect(error.publicMessage).toContain('its content broke off');
    expect(await place.names()).toEqual(['file']);
  });

  it('that shows nobody what is there is believed', async () => {
    place.proxy.command = (command) => (/^(MLST|SIZE|CWD) .*new|^(MLST|SIZE|CWD) .*\.part$/.test(command) ? '550 no' : HAND_ON);
    expect(await write()).toEqual({ sizeBytes: 6 });
    place.proxy.command = () => HAND_ON;
    expect(await read(place.client, 'out/new')).toBe('a text');
  });

  it('that knows neither MLST nor SIZE is asked for lists', async () => {
    place.proxy.reply = (command, reply) => (command === 'FEAT' && reply.includes('ML') ? undefined : reply);
    place.proxy.command = (command) => (/^(MLS.|SIZE|MDTM) /.test(command) ? '502 unknown' : HAND_ON);
    expect(await write()).toMatchObject({ sizeBytes: 6 });
    expect(await read()).toBe('0123456789');
    expect(await place.client.stat(url('file'), signal)).toMatchObject({ kind: 'file', sizeBytes: 10 });
    expect(await failureOf(place.client.stat(url('nothing'), signal))).toMatchObject({ notFound: true, retryable: false });
  });

  it('that cannot begin in the middle of a file sends it from the start', async () => {
    place.proxy.command = (command) => (command.startsWith('REST') ? '502 unknown' : HAND_ON);
    expect(await text(await place.client.read(url('file'), { offset: 4 }, signal))).toBe('456789');
  });

  it('that does not give what it shows says so', async () => {
    place.proxy.command = (command) => (command.startsWith('RETR') ? '550 no' : HAND_ON);
    const error = await failureOf(read());
    expect(error).toMatchObject({ retryable: false, notFound: false });
    expect(error.publicMessage).toContain('it is there, but not for this user');
  });

  it('that replaces nothing has the old file put aside, and gets it back where the new one cannot take its place', async () => {
    const replace = () => place.client.write(url('file'), Readable.from([Buffer.from('new')]), {}, signal);
    let refusals = 1;
    place.proxy.command = (command) => (/^RNTO .*\/file$/.test(command) && (refusals -= 1) >= 0 ? '550 it is there' : HAND_ON);
    await replace();
    expect(await read()).toBe('new');
    expect(await place.names()).toEqual(['file']);
    refusals = 2;
    expect(await failureOf(replace())).toMatchObject({ retryable: false });
    expect(await read()).toBe('new');
    expect(await place.names()).toEqual(['file']);
  });

  it('that does not go back to where it was is not asked from there', async () => {
    place.proxy.reply = (command, reply) => (command === 'FEAT' && reply.includes('ML') ? undefined : reply);
    mkdirSync(join(place.directory, 'tree'));
    place.proxy.command = (command) => (command.startsWith('MLS') ? '500 unknown' : command === 'CWD /' ? '550 no' : HAND_ON);
    await failureOf(Promise.resolve(place.client.stat(url('tree'), signal)));
    place.proxy.command = (command) => (command.startsWith('MLS') ? '500 unknown' : HAND_ON);
    expect(await place.client.stat(url('file'), signal)).toMatchObject({ sizeBytes: 10 });
  });

  it('of a read that breaks off are no end of it', async () => {
    replying('RETR', '426 the data connection broke', '226');
    const stream = await place.client.read(url('file'), {}, signal);
    expect(await failureOf(text(stream))).toMatchObject({ retryable: true, away: undefined });
    // The server says that there is more than came.
    place.proxy.reply = (command, reply) => (command.startsWith('MLST') ? reply.replace('size=10;', 'size=12;') : reply);
    expect((await failureOf(read())).publicMessage).toContain('10 of 12 bytes came');
  });

  it('of a file that changes while it is read are no mixture', async () => {
    let looks = 0;
    place.proxy.reply = (command, reply) => {
      if (command.startsWith('MLST') && reply.includes('modify=')) looks += 1;
      return looks === 2 ? reply.replace(/modify=\d+/, 'modify=20200101000000') : reply;
    };
    expect(await failureOf(read())).toMatchObject({ changed: true, retryable: true });
  });

  it.each([
    ['says nothing any more', undefined, 'RETR'],
    ['says nothing when it is connected to', undefined, ''],
    ['hangs up', CUT, 'RETR'],
    ['hangs up at the login', CUT, 'PASS'],
    ['talks without end', `211-${'x'.repeat(200_000)}`, 'MLST'],
    ['is no FTP server', 'HTTP/1.1 400 Bad Request', 'USER'],
  ] as const)('of a server that %s end the request, and the next one works', async (_, said, command) => {
    const client = place.other({ idleTimeoutMs: 300 });
    place.proxy.reply = (to, reply) => (to.startsWith(command) && (command !== '' || to === '') ? said : reply);
    const error = await failureOf(read(client));
    expect(error.retryable).toBe(true);
    expect(error.publicMessage.startsWith(`${url('file')} cannot be read: `)).toBe(true);
    place.proxy.reply = (_command, reply) => reply;
    expect(await read(client)).toBe('0123456789');
  });

  it('of a kept connection that has gone meanwhile are none', async () => {
    expect(await read()).toBe('0123456789');
    let cuts = 1;
    place.proxy.command = () => ((cuts -= 1) >= 0 ? CUT : HAND_ON);
    expect(await read()).toBe('0123456789');
  });

  it('of a server that names another host for its data reach nobody', async () => {
    place.proxy.command = (command) => {
      if (command === 'EPSV') return '500 unknown';
      return command === 'PASV' ? '227 Entering Passive Mode (192,0,2,7,4,5)' : HAND_ON;
    };
    const error = await failureOf(read());
    expect(error).toMatchObject({ retryable: true, away: undefined });
    expect(error.publicMessage).toContain('no data connection could be opened');
    place.proxy.command = (command) => (command === 'EPSV' ? '500 unknown' : HAND_ON);
    expect(await read()).toBe('0123456789');
  });

  it('of a server that knows no MLST: it is asked otherwise', async () => {
    mkdirSync(join(place.directory, 'tree/sub'), { recursive: true });
    await writeFile(join(place.directory, 'tree/sub/a b'), 'ab');
    await utimes(join(place.directory, 'file'), 1_577_934_245, 1_577_934_245);
    place.proxy.reply = (command, reply) => (command === 'FEAT' && reply.includes('ML') ? undefined : reply);
    place.proxy.command = (command) => (command.startsWith('MLS') ? '500 unknown' : HAND_ON);
    expect(await place.client.stat(url('file'), signal)).toMatchObject({ kind: 'file', sizeBytes: 10, modifiedMs: 1_577_934_245_000 });
    expect(await place.client.stat(url('tree'), signal)).toEqual({ kind: 'directory' });
    expect(await read()).toBe('0123456789');
    expect(await write()).toMatchObject({ sizeBytes: 6 });
    const found: string[] = [];
    for await (const { path } of place.client.list(url('tree'), signal)) found.push(path);
    expect(found).toEqual(['sub', 'sub/a b']);
    expect(await failureOf(read(place.client, 'nothing'))).toMatchObject({ notFound: true });
  });

  it('of a list in which something cannot be understood are final: nothing is left out in silence', async () => {
    mkdirSync(join(place.directory, 'tree'));
    const list = async (): Promise<void> => {
      for await (const { path } of place.client.list(url('tree'), signal)) expect(path).toBe('never');
    };
    // What is listed comes from elsewhere: a server of one list.
    const data = await listening('type=file;size=1;modify=20200102030405; new\r\nline\r\n');
    place.proxy.command = (command) =>
      command === 'EPSV' ? `229 go (|||${data.port}|)` : command.startsWith('MLSD') ? '150 here' : HAND_ON;
    data.sent.then(() => place.proxy.say('226 done')).catch(() => undefined);
    try {
      const error = await failureOf(list());
      expect(error).toMatchObject({ retryable: false });
      expect(error.publicMessage).toBe(
        `${url('tree')} cannot be listed: the server lists what cannot be understood: a name with a line break, perhaps`,
      );
    } finally {
      data.close();
    }
  });

  it('of links in a directory: what they lead to is there, what leads nowhere is said', async () => {
    mkdirSync(join(place.directory, 'tree'));
    await symlink('../file', join(place.directory, 'tree/link'));
    await symlink('gone', join(place.directory, 'tree/nowhere'));
    await symlink('.', join(place.directory, 'tree/itself'));
    await symlink('../tree', join(place.directory, 'tree/above'));
    mkdirSync(join(place.directory, 'beside/sub'), { recursive: true });
    await symlink('../beside', join(place.directory, 'tree/beside'));
    const found: string[] = [];
    for await (const { path, kind, reason = '' } of place.client.list(url('tree'), signal)) found.push(`${path} ${kind} ${reason}`.trim());
    expect(found.sort()).toEqual([
      'above other is a link that leads in a loop',
      'beside directory',
      'beside/sub directory',
      'itself other is a link that leads in a loop',
      'link file',
      'nowhere other is a link that leads nowhere',
    ]);
  });

  it('of links that lead in a loop where the server does not say where it is end soon', async () => {
    mkdirSync(join(place.directory, 'tree'));
    await symlink('.', join(place.directory, 'tree/itself'));
    place.proxy.reply = (command, reply) => (command === 'PWD' ? '257 "/" here' : reply);
    let listed = 0;
    const list = async (): Promise<void> => {
      for await (const { path } of place.client.list(url('tree'), signal)) listed += path.length > 0 ? 1 : 0;
    };
    place.proxy.command = (command) =>
      command === 'PWD' ? '257 "/nobody/knows" here' : command.startsWith('CWD /nobody') ? '250 ok' : HAND_ON;
    expect(await failureOf(list())).toMatchObject({ retryable: false });
    expect(listed).toBeLessThan(20);
  });

  it('of too many at once wait in turn, and one that is given up leaves the line', async () => {
    const client = place.other({ connectionsPerHost: 2 });
    const stop = new AbortController();
    const all = Array.from({ length: 12 }, () => read(client));
    const given = client.read(url('file'), {}, stop.signal);
    stop.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    expect(await Promise.all(all)).toEqual(Array.from({ length: 12 }, () => '0123456789'));
    expect(place.proxy.commands.filter((command) => command.startsWith('USER'))).toHaveLength(2);
  });

  it('of a certificate that signs itself are final, unless the settings name it', async () => {
    const secure = `ftps://localhost:${ftp().port}/${place.base.split('/').at(-1)}/file`;
    const logins = [{ host: 'localhost', username: 'tes', password: passwordOf('tes') }];
    const error = await failureOf(place.other({ logins }).stat(secure, signal));
    expect(error).toMatchObject({ retryable: false });
    expect(error.publicMessage).toContain("the server's certificate is self-signed");
    const trusting = place.other({ logins, caFile: ftp().certificate });
    expect(await text(await trusting.read(secure, {}, signal))).toBe('0123456789');
    await trusting.write(secure, Readable.from([Buffer.alloc(1_000_000, 'x')]), {}, signal);
    expect(await trusting.stat(secure, signal)).toMatchObject({ sizeBytes: 1_000_000 });
    expect(await failureOf(place.other({ logins, caFile: '/nowhere' }).stat(secure, signal))).toMatchObject({ retryable: true, away: {} });
  });

  it('of a login: the URL comes before the settings, and no password is shown', async () => {
    const [, host = ''] = /^ftp:\/\/([^/]*)\//.exec(place.base) ?? [];
    const path = place.base.split('/').at(-1) ?? '';
    const anonymous = place.other({ logins: [] });
    const [error, nobody] = await Promise.all([
      failureOf(place.client.stat(`ftp://tes:wrong%20word@${host}/${path}/file`, signal)),
      failureOf(anonymous.stat(url('file'), signal)),
    ]);
    expect(nobody).toMatchObject({ retryable: false });
    expect(error).toMatchObject({ retryable: false });
    expect(error.publicMessage).toBe(
      `ftp://${host}/${path}/file cannot be read: the server answered 530 (credentials are missing or wrong)`,
    );
    const own = `ftp://tes:${encodeURIComponent(passwordOf('tes'))}@${host}/${path}/file`;
    expect(await anonymous.stat(own, signal)).toMatchObject({ sizeBytes: 10 });
  });

  it("of the owner's own: they are used by the owner's tasks alone, and by none that names a user in the URL", async () => {
    const secret: Secret = { type: 'basic', username: 'tes', password: passwordOf('tes') };
    const asked: string[] = [];
    const storage = new OwnersFtpStorage(FTP_SETTINGS, ({ key }) => ({
      forUrl: (of) => {
        asked.push(of);
        return Promise.resolve(key === 'ann' ? secret : undefined);
      },
    }));
    const [hers, his] = [storage.session({ key: 'ann' }), storage.session({ key: 'bob' })];
    try {
      expect(await read(hers)).toBe('0123456789');
      for (const error of await Promise.all([his, storage].map((one) => failureOf(read(one)))))
        expect(error).toMatchObject({ retryable: false });
      expect(asked[0]).toBe(url('file'));
    } finally {
      for (const one of [hers, his, storage]) await one.close?.();
    }
  });

  it('of a disabled storage name the setting', () => {
    const off = new FtpStorage({ ...FTP_SETTINGS, enabled: false });
    expect(off.refusal('ftp://host/x')).toContain('storage.ftp.enabled');
    expect(off.locations).toEqual([]);
  });
});

/** Sends this to who connects, once. */
async function listening(content: string): Promise<{ readonly port: number; readonly sent: Promise<void>; close(): void }> {
  let done: () => void = () => undefined;
  const sent = new Promise<void>((resolve) => (done = resolve));
  const server = createServer((socket) => socket.end(content, done));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0, sent, close: () => server.close() };
}
