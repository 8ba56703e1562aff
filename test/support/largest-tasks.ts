/** The defaults of `limits.max_*`. Imports nothing: `bench` loads it as it is. */
export const counts = { inputsAndOutputs: 20_000, executors: 100, volumes: 256, tags: 100, backendParameters: 64 } as const;
export const outputPatterns = 2048;

const EXECUTOR = { image: 'busybox', command: ['true'] };
const many = <Made>(count: number, make: (index: number) => Made): Made[] => Array.from({ length: count }, (_, index) => make(index));
/** A folder as Nextflow makes them: `work/ab/cdef...`, another one for each file. */
const folder = (index: number): string => {
  const hash = ((index * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0');
  return `work/${hash.slice(0, 2)}/${hash.slice(2)}${'0'.repeat(24)}`;
};
const keyed = (count: number): Readonly<Record<string, string>> => Object.fromEntries(many(count, (index) => [`key${index}`, 'value']));

/** Of each thing that a task may have many of: how many it may have, and a task with so many. */
export const LARGEST = {
  inputs: {
    count: counts.inputsAndOutputs,
    task: (count: number) => ({
      inputs: many(count, (index) => ({ url: `https://host/${folder(index)}/x`, path: `/work/in${index}` })),
    }),
  },
  'inputs in folders of their own': {
    count: counts.inputsAndOutputs,
    task: (count: number) => ({
      inputs: many(count, (index) => ({ url: `https://host/${folder(index)}/x`, path: `/${folder(index)}/x` })),
      volumes: ['/work'],
    }),
  },
  outputs: {
    count: counts.inputsAndOutputs,
    task: (count: number) => ({ outputs: many(count, (index) => ({ url: `/data/${folder(index)}/x`, path: `/work/out${index}` })) }),
  },
  'output directories': {
    count: counts.inputsAndOutputs,
    task: (count: number) => ({
      outputs: many(count, (index) => ({ url: `/data/${folder(index)}`, path: `/${folder(index)}`, type: 'DIRECTORY' })),
      volumes: ['/work'],
    }),
  },
  executors: { count: counts.executors, task: (count: number) => ({ executors: many(count, () => EXECUTOR) }) },
  volumes: { count: counts.volumes, task: (count: number) => ({ volumes: many(count, (index) => `/v${index}`) }) },
  'volumes of all executors': {
    count: 100,
    task: (count: number) => ({ executors: many(count, () => EXECUTOR), volumes: many(256, (index) => `/v${index}`) }),
  },
  tags: { count: counts.tags, task: (count: number) => ({ tags: keyed(count) }) },
  'backend parameters': {
    count: counts.backendParameters,
    task: (count: number) => ({ resources: { backend_parameters: keyed(count) } }),
  },
  wildcards: {
    count: outputPatterns,
    task: (count: number) => ({
      outputs: many(count / 128, (index) => ({
        url: `/data/${index}`,
        path_prefix: '/o',
        path: `/o/${index}/${'{a,b}'.repeat(7)}*`,
      })).concat(many(count % 128, (index) => ({ url: `/data/x${index}`, path_prefix: '/o', path: `/o/x${index}/*.txt` }))),
    }),
  },
} as const;

export type LargestKind = keyof typeof LARGEST;

/** The body of a create with as many of a kind as there may be, and `more`. */
export function largest(kind: LargestKind, more = 0): object {
  const { count, task } = LARGEST[kind];
  return { executors: [EXECUTOR], ...task(count + more) };
}
