// Request bodies as workflow engines send them: each member that the engine's own code fills is here, in its shape; only the program that the
// engine would start in the container is replaced by a line of shell that does its visible work. `dir` is the engine's working directory.

/** nf-ga4gh 1.4: bare paths, `.command.*`, outputs without a type, wildcards with `path_prefix`, an optional output that is not made. */
export const nextflow = (image: string, dir: string): object => ({
  name: 'sayHello (1)',
  resources: { cpu_cores: 1, ram_gb: 0.25, backend_parameters_strict: false },
  inputs: [
    { url: `${dir}/.command.sh`, path: '/work/.command.sh', type: 'FILE' },
    { url: `${dir}/.command.run`, path: '/work/.command.run', type: 'FILE' },
    { url: `${dir}/reads.txt`, path: '/work/reads.txt', type: 'FILE' },
    { url: `${dir}/bin/tool.sh`, path: `${dir}/bin/tool.sh`, type: 'FILE' },
  ],
  outputs: [
    ...['out', 'err', 'log'].map((name) => ({ path: `/work/.command.${name}`, url: `${dir}/.command.${name}` })),
    { path: '/work/.exitcode', url: `${dir}/.exitcode` },
    { type: 'FILE', path: '/work/result.txt', url: `${dir}/result.txt` },
    { type: 'FILE', path: '/work/optional.txt', url: `${dir}/optional.txt` },
    { type: 'FILE', path: '/work/outdir', url: `${dir}/outdir` },
    { type: 'FILE', path: '/work/*.{bam,bai}', path_prefix: '/work', url: dir },
    { type: 'FILE', path: '/work/deep/**.txt', path_prefix: '/work', url: dir },
  ],
  executors: [
    {
      image,
      workdir: '/work',
      command: ['bash', '-o', 'pipefail', '-c', 'bash /work/.command.run 2>&1 | tee /work/.command.log'],
    },
  ],
});

/** Nextflow's own two scripts, the essence of them. */
export const nextflowScripts = (dir: string): Record<string, string> => ({
  '.command.sh': [
    'cat reads.txt > result.txt; mkdir outdir; mkdir -p deep/er; echo in > outdir/inner.txt',
    'touch x.bam x.bai .hidden.bam; echo d > deep/er/d.txt; tool.sh; echo to-err >&2',
  ].join('\n'),
  '.command.run': [
    `mkdir -p nextflow-bin; cp ${dir}/bin/* nextflow-bin/; chmod +x nextflow-bin/*; export PATH="$PWD/nextflow-bin:$PATH"`,
    'set +e; bash -ue .command.sh > .command.out 2> .command.err; code=$?; printf $code > .exitcode; exit $code',
  ].join('\n'),
  'reads.txt': 'ACGT\n',
  'bin/tool.sh': '#!/bin/bash\necho tool\n',
});

/** Cromwell 93: a null tag, the script as input and output at one path, a glob directory and its list. */
export const cromwell = (image: string, dir: string): object => {
  const call = '/cromwell-executions/wf/7f2b/call-x/execution';
  return {
    name: 'wf.x',
    description: 'x'.repeat(2000),
    tags: { workflow_id: '7f2b', root_workflow_id: '7f2b', parent_workflow_id: null },
    resources: { cpu_cores: 1, ram_gb: 0.5, disk_gb: 1, preemptible: false, backend_parameters: { internal_path_prefix: '7f2b/tes_task' } },
    inputs: [
      {
        name: 'wf.x.in',
        description: 'wf.x.in',
        url: `${dir}/in.txt`,
        path: '/cromwell-executions/wf/7f2b/call-x/inputs/in.txt',
        type: 'FILE',
      },
      { name: 'commandScript', description: 'wf.x.commandScript', url: `${dir}/script`, path: `${call}/script`, type: 'FILE' },
    ],
    outputs: [
      ...['rc', 'stdout', 'stderr', 'script', 'glob-0123.list'].map((name) => ({
        name,
        description: `wf.x.${name}`,
        url: `${dir}/out/${name}`,
        path: `${call}/${name}`,
        type: 'FILE',
      })),
      { name: 'glob-0123', url: `${dir}/out/glob-0123`, path: `${call}/glob-0123`, type: 'DIRECTORY' },
    ],
    executors: [{ image, command: ['/bin/bash', `${call}/script`], stdout: `${call}/stdout`, stderr: `${call}/stderr` }],
  };
};

export const cromwellScript = [
  'cd /cromwell-executions/wf/7f2b/call-x/execution',
  'cat ../inputs/in.txt; echo problem >&2; mkdir glob-0123; echo 1 > glob-0123/one; ls glob-0123 > glob-0123.list; exit_code=0',
  'echo $exit_code > rc.tmp; mv rc.tmp rc',
].join('\n');

/** Galaxy with Pulsar's co-execution: pydantic's nulls everywhere, a shared volume, three executors that wait for each other, `workdir: "/"`. */
export const pulsar = (image: string): object => {
  const executor = (command: string): object => ({
    image,
    command: ['sh', '-c', command],
    workdir: '/',
    stdin: null,
    stdout: null,
    stderr: null,
    env: null,
  });
  return {
    id: null,
    state: null,
    name: 'pulsar-17',
    description: null,
    inputs: null,
    outputs: null,
    resources: {
      cpu_cores: null,
      preemptible: null,
      ram_gb: null,
      disk_gb: null,
      zones: null,
      backend_parameters: null,
      backend_parameters_strict: null,
    },
    executors: [
      executor('mkdir -p /pulsar_staging/17 && echo made > /pulsar_staging/17/command_line'),
      executor(
        "path='/pulsar_staging/17/command_line'; while [ ! -e $path ]; do sleep 1; done; cat $path; echo done > /pulsar_staging/17/result",
      ),
      executor('cat /pulsar_staging/17/result'),
    ],
    volumes: ['/pulsar_staging/'],
    tags: null,
    logs: null,
    creation_time: null,
  };
};

/** Toil 5.9: quotes, slash and spaces in the name, a pickled blob as an argument, no outputs. */
export const toil = (image: string): object => ({
  name: "'hello' kind-hello/instance-p4v8 v1",
  executors: [
    {
      image,
      command: ['sh', '-c', 'test "${#0}" = 40000 && test "$TOIL_WORKDIR" = /tmp && touch /tmp/x', 'A'.repeat(40_000)],
      env: { TOIL_WORKDIR: '/tmp', OMP_NUM_THREADS: '1', TOIL_COORDINATION_DIR: '/tmp' },
    },
  ],
  resources: { cpu_cores: 1, ram_gb: 0.5, disk_gb: 1, preemptible: false },
});

/** cwl-tes 0.3: a random working directory that holds stdout and stderr and is given back whole. */
export const cwlTes = (image: string, dir: string): object => ({
  name: 'step1',
  description: 'a step',
  tags: { CWLDocumentId: 'file:///wf.cwl#step1' },
  resources: { cpu_cores: 1, ram_gb: 1.0737, disk_gb: 1.0737 },
  inputs: [
    { name: 'in', url: `file://${dir}/in.txt`, path: '/var/lib/cwl/stg1/in.txt', type: 'FILE' },
    { name: 'listing', path: '/kXqvLd/params.txt', content: 'literal', type: 'FILE' },
  ],
  outputs: [
    { name: 'stdout', url: `file://${dir}/out/stdout.txt`, path: '/kXqvLd/stdout.txt', type: 'FILE' },
    { name: 'stderr', url: `file://${dir}/out/stderr.txt`, path: '/kXqvLd/stderr.txt', type: 'FILE' },
    { name: 'workdir', url: `file://${dir}/out`, path: '/kXqvLd', type: 'DIRECTORY' },
  ],
  executors: [
    {
      image,
      command: ['sh', '-c', 'cat; cat params.txt > made.txt; test "$HOME" = /kXqvLd'],
      workdir: '/kXqvLd',
      stdin: '/var/lib/cwl/stg1/in.txt',
      stdout: '/kXqvLd/stdout.txt',
      stderr: '/kXqvLd/stderr.txt',
      env: { HOME: '/kXqvLd', TMPDIR: '/tmp' },
    },
  ],
});

/** The ELIXIR web component's form: what was not filled in is an empty string. */
export const webForm = (image: string): object => ({
  name: '',
  description: '',
  inputs: [{ url: '', path: '/in.txt', content: 'x', type: '', name: '', description: '' }],
  outputs: [],
  executors: [{ image, command: ['cat', '/in.txt'], workdir: '', stdin: '', stdout: '', stderr: '', env: {} }],
  resources: {},
  tags: {},
  volumes: [],
});
