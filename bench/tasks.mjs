// The tasks that are sent.
const next = (() => {
  // xorshift: the same tasks in every bench.
  let x = 0x2545f491;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0).toString(16).padStart(8, '0');
  };
})();

/** Text unlike any before, for tags and names. */
export const fresh = next;

export const TERMINAL = new Set(['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED']);

/** A task as workflow engines send them, about 1.6 KB of JSON: 1 executor, 3 inputs, 3 outputs, tags, resources. */
export function realisticTask(extraTags = {}, image = 'localhost/busybox:latest') {
  const flow = next();
  const sample = `NA${12000 + (parseInt(next(), 16) % 900)}`;
  const data = `https://data.example.org/runs/2026-11-${flow}`;
  const file = (name, description, url, path) => ({ name, description, url, path, type: 'FILE' });
  return {
    name: `bwa-mem align ${sample}`,
    description: `Align paired reads of ${sample} to GRCh38 and sort; step 3 of germline workflow run ${flow}`,
    inputs: [
      file('reads_1', 'forward reads', `${data}/${sample}_R1.fastq.gz`, '/data/in/reads_1.fastq.gz'),
      file('reads_2', 'reverse reads', `${data}/${sample}_R2.fastq.gz`, '/data/in/reads_2.fastq.gz'),
      {
        name: 'params',
        path: '/data/in/params.json',
        type: 'FILE',
        content: JSON.stringify({ sample, min_score: 30, platform: 'ILLUMINA', lib: flow }),
      },
    ],
    outputs: [
      { name: 'bam', url: `${data}/out/${sample}.sorted.bam`, path: '/data/out/sorted.bam', type: 'FILE' },
      { name: 'bai', url: `${data}/out/${sample}.sorted.bam.bai`, path: '/data/out/sorted.bam.bai', type: 'FILE' },
      { name: 'metrics', url: `${data}/out/metrics/`, path: '/data/out/metrics', type: 'DIRECTORY' },
    ],
    resources: { cpu_cores: 4, ram_gb: 16, disk_gb: 80, preemptible: false },
    executors: [
      {
        image,
        command: [
          '/bin/sh',
          '-c',
          `bwa mem -t 4 -R '@RG\\tID:${flow}\\tSM:${sample}' /ref/GRCh38.fa /data/in/reads_1.fastq.gz /data/in/reads_2.fastq.gz | samtools sort -o /data/out/sorted.bam`,
        ],
        workdir: '/data',
        stdout: '/data/out/metrics/stdout.log',
        stderr: '/data/out/metrics/stderr.log',
        env: { SAMPLE: sample, TMPDIR: '/tmp' },
      },
    ],
    tags: { workflow: 'germline-wgs', run: flow, sample, step: 'align', ...extraTags },
  };
}

/** A task that only runs one shell line. */
export const trivialTask = (number, { image = 'localhost/busybox:latest', command = 'true' } = {}) => ({
  name: `bench-${number}`,
  executors: [{ image, command: ['/bin/sh', '-c', command] }],
  tags: { bench: 'e2e' },
});
