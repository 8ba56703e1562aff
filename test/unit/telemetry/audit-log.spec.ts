import type { AuditEntry } from '../../../src/ports/audit';
import { AuditLog } from '../../../src/telemetry/audit-log';

const CREATE: AuditEntry = {
  event: 'create',
  status: 200,
  address: '192.0.2.1',
  owner: 'basic|ann',
  name: 'ann',
  roles: ['user'],
  task: 't1',
};
const refused = (address: string): AuditEntry => ({ event: 'failed-login', status: 401, address });

describe('the audit log', () => {
  let lines: string[];
  let now: number;
  let hasRoom: boolean;
  let log: AuditLog;
  beforeEach(() => {
    lines = [];
    now = 0;
    hasRoom = true;
    const append = (line: string): boolean => {
      if (hasRoom) lines.push(line);
      return hasRoom;
    };
    log = new AuditLog(
      { append },
      () => 0,
      () => now,
    );
  });
  const entries = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

  it('says who did what, when, from where and with which outcome', () => {
    log.record(CREATE);
    log.record({ event: 'cancel', status: 404, address: '::1', owner: 'anonymous', name: 'anonymous', roles: ['admin'] });
    log.record({ ...CREATE, owner: 'https://id.example/realms/a|x|y' });
    log.record(refused('192.0.2.9'));
    expect(lines[0]).toBe(
      '{"time":"1970-01-01T00:00:00.000Z","event":"create","task":"t1","issuer":"basic","subject":"ann","name":"ann","roles":["user"],"address":"192.0.2.1","status":200}',
    );
    expect(entries().slice(1)).toMatchObject([
      { event: 'cancel', subject: 'anonymous', address: '::1', status: 404 },
      { issuer: 'https://id.example/realms/a', subject: 'x|y' },
      { event: 'failed-login', address: '192.0.2.9', status: 401 },
    ]);
    expect(entries()[3]).not.toHaveProperty('subject');
  });

  it('is one line for each, whatever users are called, and of bounded length', () => {
    const name = '"},\n{"event":"create"\r\u0000\u0085\u2028\u2029\u202e\u001b[2J';
    log.record({ ...CREATE, name, task: 'x'.repeat(100_000) });
    expect(lines[0]).toMatch(/^[\x20-\x7e]*$/);
    expect(lines[0]?.length).toBeLessThan(1000);
    expect(entries()[0]).toMatchObject({ name, task: 'x'.repeat(256) });
  });

  it('is not filled by what is refused, of one address or of many, and counts what it leaves out', () => {
    for (let at = 0; at < 1000; at += 1) log.record(refused('192.0.2.1'));
    expect(lines).toHaveLength(100);
    log.record(CREATE);
    log.record(CREATE);
    expect(entries().slice(100)).toEqual([expect.objectContaining({ left_out: 900 }), expect.not.objectContaining({ left_out: 900 })]);
    now = 5000;
    for (let at = 0; at < 10; at += 1) log.record(refused('192.0.2.1'));
    expect(lines).toHaveLength(107);
    now = 1e6;
    for (let at = 0; at < 5000; at += 1) log.record(refused(`10.${at >> 8}.${at & 255}.1`));
    expect(lines).toHaveLength(1107);
    now += 1000;
    for (let at = 0; at < 5000; at += 1) log.record(refused(`10.${at >> 8}.${at & 255}.1`));
    expect(lines).toHaveLength(1157);
  });

  it('counts what there was no room for', () => {
    hasRoom = false;
    for (let at = 0; at < 3; at += 1) log.record(CREATE);
    hasRoom = true;
    log.record(CREATE);
    expect(entries()).toEqual([expect.objectContaining({ left_out: 3 })]);
  });
});
