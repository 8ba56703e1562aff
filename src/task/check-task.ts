import { checkContainerPath, isReservedPath } from './container-path';
import { isSameInput, type UrlIdentity } from './distinct-inputs';
import { holderOf, isBelowOne, isOrHasBelow, outermost } from './folders';
import { parseImageReference } from './image-reference';
import type { Problem } from './problem';
import type { TesExecutor, TesInput, TesOutput, TesTaskRequest } from './tes';
import { schemeOf } from './url';
import { type PatternBudget, wildcardProblem } from './wildcard';

export interface TaskLimits {
  /** Most bytes of one input's `content` (setting `api.content_limit_bytes`). */
  readonly contentBytes: number;
  /** Most patterns that the wildcards of all outputs stand for (setting `limits.max_output_patterns`). */
  readonly outputPatterns: number;
}

/** Most problems that one answer lists. */
const MAX_PROBLEMS = 50;

/**
 * Everything that makes a request impossible although every member has the right type; empty = it can be taken. All problems
 * at once, each with its JSON path. What depends on a backend or a storage (schemes, allowed directories, capacity) is theirs to say;
 * `identity` is what storages know of two URLs.
 */
export function checkTask(request: TesTaskRequest, limits: TaskLimits, identity: UrlIdentity): Problem[] {
  const found = new Problems();
  checkTexts(request, found);
  if (request.executors.length === 0) found.add('$.executors', 'must hold at least one executor');
  request.executors.forEach((executor, index) => checkExecutor(executor, `$.executors[${index}]`, found));
  const volumes = (request.volumes ?? []).map((volume, index) => checkMountPath(volume, `$.volumes[${index}]`, found));
  const inputs = checkInputs(request.inputs ?? [], limits, identity, found);
  checkBelowFiles(inputs, volumes, found);
  const patterns: PatternBudget = { left: limits.outputPatterns };
  request.outputs?.forEach((output, index) => checkOutput(output, `$.outputs[${index}]`, patterns, found));
  if (patterns.left < 0) {
    found.add(
      '$.outputs',
      `hold wildcards for more than the ${limits.outputPatterns} patterns this server takes of one task (setting limits.max_output_patterns)`,
    );
  }
  return found.list;
}

class Problems {
  readonly list: Problem[] = [];
  add(path: string, message: string): void {
    if (this.list.length < MAX_PROBLEMS) this.list.push({ path, message });
    else if (this.list.length === MAX_PROBLEMS)
      this.list.push({ path: '$', message: `there are more problems; the first ${MAX_PROBLEMS} are listed` });
  }
}

const NOT_UNICODE = 'must be valid Unicode (it holds a lone surrogate)';
const HOLDS_NUL = 'must not hold a NUL character';

/** Texts that are only kept and shown: they have to survive storage and answers as UTF-8. */
function checkTexts(request: TesTaskRequest, found: Problems): void {
  const checkMap = (map: Readonly<Record<string, string>> | undefined, path: string): void => {
    for (const [key, value] of Object.entries(map ?? {})) {
      if (isBroken(key) || isBroken(value)) found.add(memberPath(path, key), NOT_UNICODE);
    }
  };
  if (isBroken(request.name)) found.add('$.name', NOT_UNICODE);
  if (isBroken(request.description)) found.add('$.description', NOT_UNICODE);
  checkMap(request.tags, '$.tags');
  checkMap(request.resources?.backend_parameters, '$.resources.backend_parameters');
  request.resources?.zones?.forEach((zone, index) => {
    if (isBroken(zone)) found.add(`$.resources.zones[${index}]`, NOT_UNICODE);
  });
  for (const list of ['inputs', 'outputs'] as const) {
    request[list]?.forEach(({ name, description }, index) => {
      if (isBroken(name)) found.add(`$.${list}[${index}].name`, NOT_UNICODE);
      if (isBroken(description)) found.add(`$.${list}[${index}].description`, NOT_UNICODE);
    });
  }
}

function isBroken(text: string | undefined): boolean {
  return text !== undefined && !text.isWellFormed();
}

/** `$.tags.key`, or `$.tags["odd key"]`: always readable, whatever a client chose as a key. */
function memberPath(parent: string, key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `${parent}.${key}` : `${parent}[${JSON.stringify(key)}]`;
}

function checkExecutor(executor: TesExecutor, path: string, found: Problems): void {
  if (!parseImageReference(executor.image)) found.add(`${path}.image`, 'is not an image reference ([registry/]name[:tag][@digest])');
  if (executor.command.length === 0) found.add(`${path}.command`, 'must hold at least the program');
  if (executor.command[0] === '') found.add(`${path}.command[0]`, 'must name a program');
  executor.command.forEach((argument, index) => {
    if (!isPlain(argument)) addPlain(argument, `${path}.command[${index}]`, found);
  });
  for (const [key, value] of Object.entries(executor.env ?? {})) {
    if (key !== '' && !key.includes('=') && isPlain(key) && isPlain(value)) continue;
    const at = memberPath(`${path}.env`, key);
    if (key === '') found.add(at, 'must have a name');
    if (key.includes('=')) found.add(at, "must not have '=' in its name");
    addPlain(key, at, found);
    addPlain(value, at, found);
  }
  if (executor.workdir !== undefined) checkPath(executor.workdir, `${path}.workdir`, found);
  for (const stream of ['stdin', 'stdout', 'stderr'] as const) {
    const file = executor[stream];
    if (file !== undefined) checkMountPath(file, `${path}.${stream}`, found);
  }
}

/** argv, environment and URLs: any text the kernel can hand over. */
function isPlain(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** Says what keeps a text from being plain. */
function addPlain(text: string, path: string, found: Problems): void {
  if (text.includes('\0')) found.add(path, HOLDS_NUL);
  if (!text.isWellFormed()) found.add(path, NOT_UNICODE);
}

/** The normalised path, or `undefined` after saying why it is none. */
function checkPath(path: string, at: string, found: Problems): string | undefined {
  const checked = checkContainerPath(path);
  if (checked.ok) return checked.path;
  found.add(at, checked.reason);
  return undefined;
}

/** As `checkPath`, for what is put into a container or taken out of it. */
function checkMountPath(path: string, at: string, found: Problems): string | undefined {
  const normalised = checkPath(path, at, found);
  if (normalised === undefined || !isReservedPath(normalised)) return normalised;
  found.add(at, `must not be ${normalised === '/' ? "the container's root directory" : 'in /proc, /sys or /dev'}`);
  return undefined;
}

type PlacedInputs = ReadonlyMap<string, { readonly input: TesInput; readonly index: number }>;

function checkInputs(inputs: readonly TesInput[], limits: TaskLimits, identity: UrlIdentity, found: Problems): PlacedInputs {
  const placed = new Map<string, { readonly input: TesInput; readonly index: number }>();
  inputs.forEach((input, index) => {
    const at = `$.inputs[${index}]`;
    checkSource(input, at, limits, found);
    const path = checkMountPath(input.path, `${at}.path`, found);
    if (path === undefined) return;
    const earlier = placed.get(path);
    if (!earlier) placed.set(path, { input, index });
    else if (!isSameInput(earlier.input, input, identity))
      found.add(`${at}.path`, `is also the path of another input, $.inputs[${earlier.index}]`);
  });
  return placed;
}

/** A file is no directory: nothing lies below it. */
function checkBelowFiles(inputs: PlacedInputs, volumes: readonly (string | undefined)[], found: Problems): void {
  // A text of another length is no file's path: that is quicker to see than that it is none.
  const lengths = new Set<number>();
  for (const path of inputs.keys()) lengths.add(path.length);
  const mayLieBelow = (path: string): boolean =>
    isBelowOne(path, (end) => lengths.has(end - 1) && inputs.get(path.slice(0, end - 1))?.input.type === 'FILE') !== false;
  // The directories that have to be, and are one of the files or lie below it: none, as a rule.
  const needed = new Set<string>();
  const inVolumes = volumes.flatMap((volume) => (volume === undefined ? [] : `${volume}/.`));
  for (const path of [...inputs.keys(), ...inVolumes]) if (mayLieBelow(path)) needed.add(path.slice(0, path.lastIndexOf('/') + 1));
  if (needed.size === 0) return;
  const sorted = [...needed].sort();
  const blocking = [...inputs].filter(([path, { input }]) => input.type === 'FILE' && isOrHasBelow(sorted, `${path}/`));
  if (blocking.length === 0) return;
  const files = outermost(new Set(blocking.map(([path]) => `${path}/`)));
  const blockedBy = (path: string): string | undefined => files[holderOf(files, `${path}/`) ?? -1]?.slice(0, -1);
  for (const [path, { index }] of inputs) {
    const file = blockedBy(path);
    if (file !== undefined && file !== path) found.add(`$.inputs[${index}].path`, `lies below ${file}, which another input makes a file`);
  }
  volumes.forEach((volume, index) => {
    const file = volume === undefined ? undefined : blockedBy(volume);
    if (file !== undefined) found.add(`$.volumes[${index}]`, `must be a directory, but an input makes ${file} a file`);
  });
}

function checkSource(input: TesInput, at: string, limits: TaskLimits, found: Problems): void {
  const { content, url } = input;
  if (content) {
    if (input.type === 'DIRECTORY') found.add(`${at}.content`, 'cannot be given for a DIRECTORY');
    if (!content.isWellFormed()) found.add(`${at}.content`, NOT_UNICODE);
    if (content.length * 3 > limits.contentBytes && Buffer.byteLength(content) > limits.contentBytes) {
      found.add(
        `${at}.content`,
        `is longer than the ${limits.contentBytes} bytes this server takes (setting api.content_limit_bytes); give a url instead`,
      );
    }
  } else if (url === undefined) {
    found.add(`${at}.url`, content === '' ? 'is required because content is empty' : 'is required unless content is given');
  }
  if (url !== undefined) checkUrl(url, `${at}.url`, found, { used: !content });
}

function checkOutput(output: TesOutput, at: string, patterns: PatternBudget, found: Problems): void {
  // Required by type, but normalisation takes "" away after a client has sent it.
  const url: string | undefined = output.url;
  if (url === undefined) found.add(`${at}.url`, 'is required');
  else checkUrl(url, `${at}.url`, found, { used: true });
  const path = checkMountPath(output.path, `${at}.path`, found);
  if (path === undefined) return;
  const problem = wildcardProblem(path, output.path_prefix, patterns);
  if (problem) found.add(`${at}.${problem.in}`, problem.reason);
}

/** URLs are opaque; only what no storage could ever read is refused. A URL that is ignored beside `content` only has to be text. */
function checkUrl(url: string, at: string, found: Problems, { used }: { readonly used: boolean }): void {
  addPlain(url, at, found);
  if (!used) return;
  if (schemeOf(url) === undefined) found.add(at, 'must be a URL or an absolute path');
  // In a bare path a newline may be part of a file's name; in a URL it is how one request becomes two.
  else if (!url.startsWith('/') && /[\u0001-\u001f\u007f]/.test(url)) found.add(at, 'must not hold control characters');
}
