import { limitsOf } from '../../../../src/backends/shared/job-manifest';
import type { Job } from '../../../../src/ports/execution-backend';

describe('the limits of a job', () => {
  it.each([
    [0.5, '0.5'],
    [1 / 3, '0.333'],
    [1.9999, '2'],
    [64, '8'],
    [1e-300, '0.01'],
  ])('hold %f cores in a form that every engine takes', (cpuCores, expected) => {
    const job = { needs: { cpuCores, ramGb: 1 } } as Job;
    expect(String(limitsOf(job, { pidsLimit: 1, machineCores: 8 }).cpuCores)).toBe(expected);
  });
});
