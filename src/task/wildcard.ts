import { braceExpand, Minimatch } from 'minimatch';
import { checkContainerPath, isReservedPath, isSameOrBelow, mayHoldWildcard, normalizeContainerPath, relativeTo } from './container-path';
import type { TesOutput } from './tes';

/**
 * Wildcards in `outputs[].path` (TES `tesOutput.path`): the pattern matching of POSIX XCU 2.13 (`*`, `?`, `[...]`, `[!...]`,
 * backslash quoting; a slash only literally, a leading dot only explicitly), and what Nextflow sends beyond it:
 * `{a,b}`, and `**` for any number of directories (`**.bam` too).
 *
 * An output whose path exists literally is that file: a name such as `a[1].txt` needs no quoting. `[...]` and `{a,b}` count
 * as wildcards only when `path_prefix` is there, because Nextflow sends file names that hold them without it.
 *
 * The matcher is not a backtracking one: hostile patterns cost time linear in their length, and the braces are bounded.
 */
export interface OutputPattern {
  /** The deepest directory that every match lies below; where a listing has to start. Normalised, holds no wildcard. */
  readonly base: string;
  /** Whether a normalised container path matches. */
  matches(path: string): boolean;
}

/** Most alternatives that the braces and `**` of one path may stand for. */
export const MAX_ALTERNATIVES = 128;

/** Most brackets of a kind in one path: to look for what closes each costs the square of their number, also where nothing does. */
const MAX_BRACKETS = 128;

const OPTIONS = {
  noext: true,
  nonegate: true,
  nocomment: true,
  dot: false,
  platform: 'linux',
  optimizationLevel: 0,
  braceExpandMax: MAX_ALTERNATIVES + 1,
} as const;

type Part = Minimatch['set'][number][number];

/** Whether a path holds `*` or `?` outside quoting: always a wildcard, so that `path_prefix` is required (TES `tesOutput.path_prefix`). */
export function requiresPrefix(path: string): boolean {
  return /[*?]/.test(path) && /[*?]/.test(path.replaceAll(/\\./gs, ''));
}

/**
 * The file that a path without wildcards names when it quotes what would be one: `/o/lit\\*.txt` is `/o/lit*.txt`. `undefined` for every
 * other path: a backslash before anything else is part of the name. For when nothing is there literally.
 */
export function unquotedPath(path: string): string | undefined {
  if (!/\\[*?[{]/.test(path) || requiresPrefix(path)) return undefined;
  const checked = checkContainerPath(path.replaceAll(/\\(.)/gs, '$1'));
  return checked.ok ? checked.path : undefined;
}

/** The pattern an output's path stands for; `undefined` when the path is a plain one and `path_prefix` is ignored. For outputs that `checkTask` let through. */
export function outputPattern(output: Pick<TesOutput, 'path' | 'path_prefix'>): OutputPattern | undefined {
  if (output.path_prefix === undefined || !mayHoldWildcard(output.path)) return undefined;
  const path = normalizeContainerPath(output.path);
  const compiled = compile(path);
  if (isPlain(path, compiled)) return undefined;
  const matchers = compiled.map(({ matcher }) => matcher);
  return { base: baseOf(compiled), matches: (path) => matchers.some((matcher) => matcher.match(path)) };
}

/**
 * Where an output of a match goes below the output's `url` (a directory): the matched path without the prefix.
 * The two are joined with exactly one slash by `StorageClient.join`.
 */
export function pathBelowPrefix(matched: string, output: Pick<TesOutput, 'path_prefix'>): string {
  const relative = relativeTo(normalizeContainerPath(output.path_prefix ?? '/'), matched);
  if (relative === undefined) throw new Error(`${matched} is not below path_prefix`);
  return relative;
}

/** How many patterns the outputs of one task may still stand for. A long pattern counts for each begun `PATTERN_LENGTH` characters of it. */
export interface PatternBudget {
  left: number;
}

const PATTERN_LENGTH = 128;

/**
 * What is wrong with the wildcards of a (normalised) path and its prefix; `undefined` when nothing is. Completes the sentence "it ...".
 * Takes its patterns from the budget; with nothing left of that (below 0) nothing is looked at, for patterns are what costs.
 */
export function wildcardProblem(
  path: string,
  prefix: string | undefined,
  budget: PatternBudget,
): { readonly in: 'path' | 'path_prefix'; readonly reason: string } | undefined {
  if (prefix === undefined) {
    return requiresPrefix(path) ? { in: 'path_prefix', reason: 'is required because path holds wildcards' } : undefined;
  }
  if (!mayHoldWildcard(path) || budget.left < 0) return undefined;
  if (['{', '['].some((bracket) => path.split(bracket).length - 1 > MAX_BRACKETS)) {
    return { in: 'path', reason: `holds more than ${MAX_BRACKETS} brackets of a kind, which would be wildcards` };
  }
  const expanded = expand(path);
  budget.left -= expanded.reduce((sum, pattern) => sum + Math.ceil(pattern.length / PATTERN_LENGTH), 0);
  if (budget.left < 0) return undefined;
  if (expanded.length > MAX_ALTERNATIVES) {
    budget.left = Math.min(budget.left, 0);
    return { in: 'path', reason: `stands for more than ${MAX_ALTERNATIVES} patterns` };
  }
  const compiled = expanded.map(compilePattern);
  if (isPlain(path, compiled)) return undefined;
  if (compiled.some(({ parts }) => parts.includes('..') || parts.includes('.'))) {
    return { in: 'path', reason: "must not hold '.' or '..' in quotes or braces" };
  }
  const base = baseOf(compiled);
  if (isReservedPath(base))
    return { in: 'path', reason: `must not look for matches in ${base === '/' ? "the container's root directory" : base}` };
  const checkedPrefix = checkContainerPath(prefix);
  if (!checkedPrefix.ok) return { in: 'path_prefix', reason: checkedPrefix.reason };
  if (!isSameOrBelow(base, checkedPrefix.path)) {
    return { in: 'path_prefix', reason: `must be a directory that path begins with, before its first wildcard (${base})` };
  }
  return undefined;
}

interface Alternative {
  readonly matcher: Minimatch;
  /** The pattern by segments, unquoted; a string is literal. */
  readonly parts: readonly Part[];
}

function compile(path: string): Alternative[] {
  return expand(path).map(compilePattern);
}

function compilePattern(pattern: string): Alternative {
  const matcher = new Minimatch(pattern, { ...OPTIONS, nobrace: true });
  return { matcher, parts: (matcher.set[0] ?? []).slice(1) };
}

/** The patterns that a path stands for; of too many only one more than there may be. */
function expand(path: string): string[] {
  const patterns: string[] = [];
  for (const alternative of braceExpand(path, OPTIONS)) {
    patterns.push(...spreadGlobstars(alternative));
    if (patterns.length > MAX_ALTERNATIVES) break;
  }
  return patterns.slice(0, MAX_ALTERNATIVES + 1);
}

/** True when nothing but quoting tells the pattern from the path. The matcher makes plain text of `[a]`, which is a wildcard all the same. */
function isPlain(path: string, alternatives: readonly Alternative[]): boolean {
  const [only, ...others] = alternatives;
  if (!only || others.length > 0 || only.parts.some((part) => typeof part !== 'string')) return false;
  return `/${only.parts.join('/')}` === path.replaceAll(/\\(.)/gs, '$1');
}

/** `**` inside a name also crosses directories, as in Nextflow: `x**y` is `x*y` and `x*` + any directories + `*y`. */
function spreadGlobstars(path: string): string[] {
  let spread = [''];
  for (const segment of path.slice(1).split('/')) {
    const embedded = segment !== '**' && /^((?:\\.|[^\\])*?)\*{2,}(.*)$/s.exec(segment);
    const [before = '', after = ''] = embedded ? [embedded[1], embedded[2]?.replaceAll('**', '*')] : [];
    const forms = embedded ? [`${before}*${after}`, `${before}*/**/*${after}`] : [segment];
    spread = spread.slice(0, MAX_ALTERNATIVES + 1).flatMap((start) => forms.map((form) => `${start}/${form}`));
  }
  return spread;
}

function baseOf(alternatives: readonly Alternative[]): string {
  const [first, ...others] = alternatives.map(({ parts }) => {
    const magic = parts.findIndex((part) => typeof part !== 'string');
    return parts.slice(0, Math.min(magic === -1 ? parts.length : magic, parts.length - 1));
  });
  if (!first) return '/';
  const differs = first.findIndex((part, index) => others.some((other) => other[index] !== part));
  return `/${(differs === -1 ? first : first.slice(0, differs)).join('/')}`;
}
