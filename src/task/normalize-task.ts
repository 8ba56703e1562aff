import type { TesFileType } from './tes';
import { isObject } from './plain-object';

/**
 * Brings a body that a client sent into the form the validator and everything behind it expect. Real clients write "absent"
 * in three ways, and send fields that are not theirs to set:
 * - `null` is absent everywhere, also as a value in `tags`, `env` and `backend_parameters`; inside a list it stays, and is refused later;
 * - `""` is absent in `stdin`, `stdout`, `stderr`, `workdir`, `url`, `path_prefix` and `type` (web forms send it);
 * - read-only members (`id`, `state`, `logs`, `creation_time`) and keys that TES does not know are removed at every level;
 * - `type` of inputs and outputs is filled with FILE (TES `tesFileType`: the server must fill it).
 *
 * Whatever has the wrong type is left as it is for the validator to name. Never throws, does not change its argument, and
 * gives the members in a fixed order, so that two bodies that mean the same differ at most inside maps. Idempotent.
 */
export function normalizeTask(body: unknown): unknown {
  return isObject(body) ? pick(body, TASK) : body;
}

/** Returns what a member becomes; `undefined` = it is left out. */
interface Rule {
  (value: unknown): unknown;
  /** Of the object, or of each object in the list, that stands there. */
  readonly shape?: Shape;
}
/** The members that TES knows of an object; what else it holds is left out. */
export type Shape = readonly (readonly [key: string, rule: Rule])[];
type JsonObject = Readonly<Record<string, unknown>>;

function pick(source: JsonObject, shape: Shape): unknown {
  const picked: Record<string, unknown> = {};
  for (const [key, rule] of shape) {
    const value = rule(source[key] ?? undefined);
    if (value !== undefined) picked[key] = value;
  }
  return picked;
}

const keep: Rule = (value) => value;
const keepUnlessEmpty: Rule = (value) => (value === '' ? undefined : value);
const FILE: TesFileType = 'FILE';
const fileType: Rule = (value) => (value === undefined || value === '' ? FILE : value);

/** A map keeps its object (the usual case) unless a `null` has to go; `fromEntries` keeps a key named `__proto__` a plain key. */
const map: Rule = (value) => {
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  const kept = entries.filter(([, item]) => item !== null);
  return kept.length === entries.length ? value : Object.fromEntries(kept);
};
const object = (shape: Shape): Rule => Object.assign((value: unknown) => (isObject(value) ? pick(value, shape) : value), { shape });
const list = (shape: Shape): Rule => {
  const each = object(shape);
  return Object.assign((value: unknown) => (Array.isArray(value) ? value.map((item: unknown) => each(item)) : value), { shape });
};

const INPUT: Shape = [
  ['name', keep],
  ['description', keep],
  ['url', keepUnlessEmpty],
  ['path', keep],
  ['type', fileType],
  ['content', keep],
  ['streamable', keep],
];
const OUTPUT: Shape = [
  ['name', keep],
  ['description', keep],
  ['url', keepUnlessEmpty],
  ['path', keep],
  ['path_prefix', keepUnlessEmpty],
  ['type', fileType],
];
const RESOURCES: Shape = [
  ['cpu_cores', keep],
  ['preemptible', keep],
  ['ram_gb', keep],
  ['disk_gb', keep],
  ['zones', keep],
  ['backend_parameters', map],
  ['backend_parameters_strict', keep],
];
const EXECUTOR: Shape = [
  ['image', keep],
  ['command', keep],
  ['workdir', keepUnlessEmpty],
  ['stdin', keepUnlessEmpty],
  ['stdout', keepUnlessEmpty],
  ['stderr', keepUnlessEmpty],
  ['env', map],
  ['ignore_error', keep],
];
export const TASK: Shape = [
  ['name', keep],
  ['description', keep],
  ['inputs', list(INPUT)],
  ['outputs', list(OUTPUT)],
  ['resources', object(RESOURCES)],
  ['executors', list(EXECUTOR)],
  ['volumes', keep],
  ['tags', map],
];
/** What the server sets, which clients send back. */
export const READ_ONLY: readonly string[] = ['id', 'state', 'logs', 'creation_time'];
