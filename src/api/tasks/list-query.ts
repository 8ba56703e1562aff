import type { ListRequest } from '../../engine/task.service';
import { InvalidRequest, type Problem } from '../../ports/errors';
import { TES_STATES, TES_VIEWS, type TesState, type TesView } from '../../task/tes';

/** A parsed query string: a key given once is text, one given more often a list. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

const DEFAULT_PAGE_SIZE = 256;
/** TES: less than 2048. More is served as this much (clients ask for 2048 as "many"). */
const LARGEST_PAGE_SIZE = 2047;
/** Of a list whose entries cost some look-ups each. */
const LARGEST_COSTLY_PAGE_SIZE = 100;
/** Each pair is a lookup of its own in the store. */
const MOST_TAG_PAIRS = 32;

export interface PageRequest {
  readonly size: number;
  readonly token: string | undefined;
}

/** `view` of GetTask (TES default MINIMAL). Throws InvalidRequest. */
export function viewOf(query: Query): TesView {
  const problems: Problem[] = [];
  const view = word(query, 'view', TES_VIEWS, problems) ?? 'MINIMAL';
  refuse(problems);
  return view;
}

/**
 * The query of ListTasks. Keys nobody knows are ignored, an empty value is as good as none (but for `page_size`, which is a number).
 * Throws InvalidRequest with every problem at once.
 */
export function listRequestOf(query: Query): ListRequest {
  const problems: Problem[] = [];
  const state = word<TesState>(query, 'state', TES_STATES, problems);
  const namePrefix = single(query, 'name_prefix', problems);
  const pageToken = single(query, 'page_token', problems);
  const tags = tagPairs(query, problems);
  const request: ListRequest = {
    view: word(query, 'view', TES_VIEWS, problems) ?? 'MINIMAL',
    pageSize: pageSizeOf(query, problems),
    ...(state && { state }),
    ...(namePrefix && { namePrefix }),
    ...(pageToken && { pageToken }),
    ...(tags.length > 0 && { tags }),
  };
  refuse(problems);
  return request;
}

/** A whole number >= 0 such as `offset`; `fallback` when absent. Throws InvalidRequest. */
export function countOf(query: Query, key: string, fallback: number): number {
  const problems: Problem[] = [];
  const text = single(query, key, problems);
  const value = text === undefined ? fallback : Number(text);
  if (text !== undefined && (!/^\d{1,15}$/.test(text) || !Number.isSafeInteger(value))) {
    problems.push({ path: key, message: 'must be a whole number of 0 or more' });
  }
  refuse(problems);
  return value;
}

/** A switch such as `follow`: `?follow`, `?follow=true` and `?follow=1` are on. Throws InvalidRequest. */
export function switchOf(query: Query, key: string): boolean {
  const problems: Problem[] = [];
  const text = single(query, key, problems);
  if (text !== undefined && !['', '0', '1', 'false', 'true'].includes(text)) problems.push({ path: key, message: 'must be true or false' });
  refuse(problems);
  return text !== undefined && text !== '0' && text !== 'false';
}

/** `tag_key` and `tag_value` zipped by position; a missing value matches any, surplus values are ignored. */
function tagPairs(query: Query, problems: Problem[]): { key: string; value: string }[] {
  const keys = listOf(query['tag_key']);
  if (keys.length === 0) return [];
  const values = listOf(query['tag_value']);
  const pairs = keys.map((key, index) => ({ key, value: values[index] ?? '' })).filter(({ key, value }) => key !== '' || value !== '');
  if (pairs.length > MOST_TAG_PAIRS) problems.push({ path: 'tag_key', message: `must not be given more than ${MOST_TAG_PAIRS} times` });
  return pairs;
}

/** Which page of another list is asked for. Throws InvalidRequest. */
export function pageOf(query: Query): PageRequest {
  const problems: Problem[] = [];
  const size = Math.min(pageSizeOf(query, problems), LARGEST_COSTLY_PAGE_SIZE);
  const token = single(query, 'page_token', problems);
  refuse(problems);
  return { size, token: token === '' ? undefined : token };
}

function pageSizeOf(query: Query, problems: Problem[]): number {
  const text = single(query, 'page_size', problems);
  if (text === undefined) return DEFAULT_PAGE_SIZE;
  const size = /^\d+$/.test(text) ? Number(text) : 0;
  if (size < 1) problems.push({ path: 'page_size', message: 'must be a whole number of 1 or more' });
  return Math.min(size, LARGEST_PAGE_SIZE);
}

function word<T extends string>(query: Query, key: string, words: readonly T[], problems: Problem[]): T | undefined {
  const text = single(query, key, problems);
  if (text === undefined || text === '') return undefined;
  const known = words.find((candidate) => candidate === text);
  if (!known) problems.push({ path: key, message: `must be one of ${words.join(', ')}` });
  return known;
}

function single(query: Query, key: string, problems: Problem[]): string | undefined {
  const value = query[key];
  if (value === undefined || typeof value === 'string') return value;
  problems.push({ path: key, message: 'must be given once' });
  return undefined;
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new InvalidRequest(`bad query: ${problems.map(({ path, message }) => `${path} ${message}`).join('; ')}`, { details: problems });
}
