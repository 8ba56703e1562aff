import { bootedAt, type JobReport, parseReport, PLANNED, tailOf } from '../../../../../src/backends/shared/script/script-report';

const reportOf = (bytes: Buffer): JobReport => {
  const parsed = parseReport(bytes);
  if (parsed.kind !== 'report') throw new Error(`it is ${parsed.kind}`);
  return parsed.report;
};
const HEAD = 'tes-report 1 120.50 0f-12\n';
const PROGRESS = 'clock 100.00 100.00 1700000000.250000000\nbegin 101.00 0\nend 102.00 0 3\ndone 103.00 failed\n';
const tail = Buffer.concat([Buffer.from('\n--\n'), Buffer.from([0, 255, 0xc3, 0xa4])]);
const whole = Buffer.concat([Buffer.from(`${HEAD}${PROGRESS}--\n0.stdout 20 8\n0.stderr 2 2\n--\n`), tail, Buffer.from('er')]);

describe("the job script's report", () => {
  it('gives progress and tails, whatever bytes these hold', () => {
    const report = reportOf(whole);
    expect(report.progress).toMatchObject({ ending: 'failed', executors: [{ exitCode: 3 }] });
    expect(tailOf(report, '0.stdout', 100)?.totalBytes).toBe(20);
    expect(report.tails.get('0.stdout')?.bytes.equals(tail)).toBe(true);
    expect(tailOf(report, '0.stdout', 2)?.text).toBe('\u00e4');
    expect(tailOf(report, '0.stderr', 100)).toEqual({ text: 'er', totalBytes: 2 });
    expect(tailOf(report, '1.stdout', 100)).toBeUndefined();
  });

  it('is nothing until it is whole', () => {
    for (let length = 0; length < whole.length; length += 1) expect(parseReport(whole.subarray(0, length)).kind).toBe('broken');
    expect(parseReport(Buffer.concat([whole, Buffer.from('x')])).kind).toBe('broken');
    expect(parseReport(Buffer.from('<html>')).kind).toBe('broken');
  });

  it('has none before the script has begun', () => {
    expect(parseReport(Buffer.from(PLANNED)).kind).toBe('planned');
  });

  it('needs neither streams nor progress', () => {
    expect(reportOf(Buffer.from(`${HEAD}--\n--\n`))).toMatchObject({ up: '120.50', progress: { executors: [] } });
  });

  it("knows when things were by the worker's clock, and how far that is from ours", () => {
    expect(bootedAt(reportOf(whole), 0)).toBe(1_699_999_900_250);
    expect(bootedAt(reportOf(whole), 60_000)).toBe(1_699_999_840_250);
  });
});
