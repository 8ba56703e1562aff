import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobBundle, type JobParts } from '../../../../src/backends/pulsar/pulsar-amqp.bundle';

const hostile = Buffer.from("'$(x)`y`\\\n\0TES-END-OF-FILE\n\u00fc\xff", 'latin1');
const file = (name: string, content: Buffer | string): JobParts['files'][number] => ({
  type: 'metadata',
  name,
  content: Buffer.from(content),
});

describe('a job that travels in one message', () => {
  let directory: string;
  const path = (name: string): string => join(directory, name);
  const text = (name: string): string => readFileSync(path(name), 'utf8');
  const carryOut = (job: Partial<JobParts>, searchPath = process.env['PATH'] ?? ''): void => {
    const whole = {
      files: [file('tes/plan/sub/odd', hostile)],
      first: [file('tes/mark', 'none\n')],
      commandLine: 'echo ran >>../ran',
      ...job,
    };
    writeFileSync(path('tool_files/b.sh'), jobBundle('b.sh', whole, '{"kept":1}', { report: 'tes/report', facts: 'tes/facts' }));
    execFileSync('sh', ['../tool_files/b.sh'], { cwd: path('working'), env: { ...process.env, PATH: searchPath } });
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bundle-'));
    for (const name of ['tool_files', 'metadata', 'working']) mkdirSync(path(name));
    writeFileSync(path('launch_config'), 'with the whole message');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('lays every byte, removes itself and what Pulsar keeps of the message, and carries the command out', () => {
    carryOut({});
    expect(readFileSync(path('metadata/tes/plan/sub/odd'))).toEqual(hostile);
    expect([text('metadata/tes/mark'), text('launch_config'), text('ran')]).toEqual(['none\n', '{"kept":1}', 'ran\n']);
    expect(existsSync(path('tool_files/b.sh'))).toBe(false);
  });

  it('tells the last report and the facts in base64', () => {
    carryOut({ commandLine: 'echo report >tes/report; echo facts >tes/facts' });
    expect(['tes-report', 'tes-facts'].map((name) => Buffer.from(text(`working/${name}`), 'base64').toString())).toEqual([
      'report\n',
      'facts\n',
    ]);
  });

  it('leaves a cancel mark that comes while it lays its own', () => {
    mkdirSync(path('programs'));
    // An errand of the gateway: it lays the mark under a name of its own, then renames it.
    const errand = 'echo cancelled >../metadata/tes/mark.errand && mv ../metadata/tes/mark.errand ../metadata/tes/mark';
    const real = execFileSync('sh', ['-c', 'command -v base64']).toString().trim();
    writeFileSync(
      path('programs/base64'),
      `#!/bin/sh\n[ ! -e ../metadata/tes/plan/sub/odd ] || [ -e ../metadata/tes/mark ] || { ${errand}; }\nexec ${real} "$@"\n`,
      { mode: 0o755 },
    );
    carryOut({}, `${path('programs')}:${process.env['PATH'] ?? ''}`);
    expect([text('metadata/tes/mark'), text('ran')]).toEqual(['cancelled\n', 'ran\n']);
    expect(readdirSync(path('metadata/tes')).sort()).toEqual(['mark', 'plan']);
  });

  it('leaves a cancel mark that is there, and does nothing once the job has begun', () => {
    mkdirSync(path('metadata/tes'));
    writeFileSync(path('metadata/tes/mark'), 'cancelled\n');
    carryOut({});
    expect(text('metadata/tes/mark')).toBe('cancelled\n');
    writeFileSync(path('metadata/tes/started'), '');
    carryOut({ files: [file('tes/plan/later', '')] });
    expect(existsSync(path('metadata/tes/plan/later'))).toBe(false);
    expect(text('ran')).toBe('ran\n');
  });
});
