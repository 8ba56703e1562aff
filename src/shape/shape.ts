import { isObject } from '../task/plain-object';
import type { Problem } from '../task/problem';

/** Nothing is looked at further then: millions of wrong elements would be as many problems. */
const MOST_PROBLEMS = 10_000;

interface Check {
  readonly test: (value: unknown) => boolean;
  /** Public, what goes on after the value's path: "must be a list". */
  readonly message: string;
}

/** What a value must be. */
export interface Rule {
  /** In order: the first that fails is the problem of the value, and its only one. */
  readonly checks: readonly Check[];
  /** Of the elements of a list, or the values of a map; `checks` has seen that it is one. */
  readonly each?: Rule;
  /** Of the members of an object, likewise. A function, because shapes may name each other. */
  readonly of?: () => Shape;
}
export type OptionalRule = Rule & { readonly optional: true };
export type Members = Readonly<Record<string, Rule | OptionalRule>>;
/** A rule for each member of a type, optional where the member is: one that is added to the type has to be added here. */
export type MembersOf<T> = { readonly [K in keyof T]-?: undefined extends T[K] ? OptionalRule : Rule & { readonly optional?: never } };

/**
 * What plain data must look like, and the walk over it that says everything that is wrong, each with its path. Nothing is copied or
 * converted, and a good document costs next to nothing: a task of 1.6 KB a twentieth of `plainToInstance` and `validateSync`.
 */
export class Shape {
  private readonly members: ReadonlyMap<string, Rule | OptionalRule>;
  private readonly exact: boolean;

  /** `exact`: members that it does not name are problems, and `null` is a value. Otherwise those pass, and `null` is an absent member. */
  constructor(members: Members, exact = true) {
    this.members = new Map(Object.entries(members));
    this.exact = exact;
  }

  /** Adds what is wrong with `data`; `path` is that of `data` itself, such as `$`. */
  collect(data: object, path: string, problems: Problem[]): void {
    const from = problems.length;
    this.walk(data, problems);
    addToPaths(path, problems, from);
  }

  /** Paths begin at `data`. */
  walk(data: object, problems: Problem[]): void {
    for (const [name, rule] of this.members) {
      const value: unknown = Object.hasOwn(data, name) ? Reflect.get(data, name) : undefined;
      if (value !== undefined && (value !== null || this.exact)) look(rule, value, name, problems);
      else if (!('optional' in rule)) problems.push({ path: stepTo(name), message: 'is required' });
    }
    if (!this.exact) return;
    for (const key of Object.keys(data)) if (!this.members.has(key)) problems.push({ path: stepTo(key), message: 'is not known' });
  }
}

function look(rule: Rule, value: unknown, key: string | number, problems: Problem[]): void {
  for (const { test, message } of rule.checks) {
    if (test(value)) continue;
    problems.push({ path: stepTo(key), message });
    return;
  }
  const from = problems.length;
  rule.of?.().walk(value as object, problems);
  if (rule.each && Array.isArray(value)) {
    for (let at = 0; at < value.length && problems.length < MOST_PROBLEMS; at++) look(rule.each, value[at], at, problems);
  } else if (rule.each) {
    for (const at of Object.keys(value as object)) {
      if (problems.length < MOST_PROBLEMS) look(rule.each, Reflect.get(value as object, at), at, problems);
    }
  }
  if (problems.length > from) addToPaths(stepTo(key), problems, from);
}

/** Paths are put together on the way back from a problem: a good document costs none. */
function addToPaths(step: string, problems: Problem[], from: number): void {
  for (const { path, message } of problems.splice(from)) problems.push({ path: step + path, message });
}

function stepTo(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`;
  return /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** `words` goes on after "must be". */
export const must = (words: string, test: (value: unknown) => boolean): Rule => ({ checks: [{ test, message: `must be ${words}` }] });
export const optional = (rule: Rule): OptionalRule => ({ ...rule, optional: true });

export const TEXT = must('text', (value) => typeof value === 'string');
export const FLAG = must('true or false', (value) => typeof value === 'boolean');
export const NUMBER = must('a number', Number.isFinite);
export const COUNT = must('a whole number of 0 or more', (value) => Number.isSafeInteger(value) && Number(value) >= 0);
export const oneOf = (words: readonly string[]): Rule => must(choiceWords(words), (value) => words.includes(value as string));
export const list = (each: Rule): Rule => ({ ...must('a list', Array.isArray), each });
export const map = (each: Rule): Rule => ({ ...must('an object', isObject), each });
export const object = <T>(members: MembersOf<T>): Rule => {
  const shape = new Shape(members);
  return { ...must('an object', isObject), of: () => shape };
};

/** What goes on after "must be". */
export function choiceWords(choice: readonly string[]): string {
  return choice.length > 2 ? `one of ${choice.join(', ')}` : choice.join(' or ');
}
