import { READ_ONLY, type Shape, TASK } from './normalize-task';
import { isObject } from './plain-object';

const MOST_NAMES = 20;
const MOST_LENGTH = 100;

/**
 * A line for `system_logs` that names what `normalizeTask` leaves out of a body because TES does not know it, such as a misspelt
 * `executors[0].work_dir`; `undefined` when there is nothing. Not named is what stands for "absent" (`null`) and what the server sets itself.
 * At most 20 names of at most 100 characters each, readable whatever a client chose as a key. Linear in what the body holds.
 */
export function ignoredMembers(body: unknown): string | undefined {
  const found = new Names();
  if (isObject(body)) collect(body, KNOWN, [], found);
  return found.line();
}

type JsonObject = Readonly<Record<string, unknown>>;
/** Where an object is. Made into text only for what is shown: a task as it should be costs no strings. */
type Place = readonly [] | readonly [parent: Place, member: string, index?: number];

class Names {
  private readonly names: string[] = [];
  private count = 0;

  add(place: Place, key: string): void {
    this.count += 1;
    if (this.names.length < MOST_NAMES) this.names.push(nameOf(textOf(place), key));
  }

  line(): string | undefined {
    if (this.count === 0) return undefined;
    const more = this.count > this.names.length ? ` and ${this.count - this.names.length} more` : '';
    return `ignored: ${this.names.join(', ')}${more}`;
  }
}

/** By the name of a member: whether TES knows it, and the shape of what stands there. */
type Members = ReadonlyMap<string, Members | undefined>;
const membersOf = (shape: Shape): Members => new Map(shape.map(([key, rule]) => [key, rule.shape && membersOf(rule.shape)]));
const KNOWN = membersOf(TASK);

function collect(source: JsonObject, known: Members, place: Place, found: Names): void {
  for (const key in source) {
    const value = source[key];
    const inner = known.get(key);
    if (inner !== undefined) {
      if (isObject(value)) collect(value, inner, [place, key], found);
      if (Array.isArray(value)) value.forEach((item, index) => isObject(item) && collect(item, inner, [place, key, index], found));
    } else if (value !== null && !known.has(key) && !(place.length === 0 && READ_ONLY.includes(key))) {
      found.add(place, key);
    }
  }
}

function textOf(place: Place): string {
  if (place.length === 0) return '';
  const [parent, member, index] = place;
  return `${below(textOf(parent), member)}${index === undefined ? '' : `[${index}]`}`;
}

function below(parent: string, member: string): string {
  return parent === '' ? member : `${parent}.${member}`;
}

/** A key that is no plain name is quoted, with everything escaped that is not seen or changes how text is shown. */
function nameOf(parent: string, key: string): string {
  const begin = key.slice(0, MOST_LENGTH).toWellFormed();
  const quoted = (): string => JSON.stringify(begin).replace(/[[\p{C}\p{Z}]--[ ]]/gv, escaped);
  const name = /^[A-Za-z_]\w*$/.test(begin) ? below(parent, begin) : `${parent}[${quoted()}]`;
  const isWhole = key.length <= MOST_LENGTH && name.length <= MOST_LENGTH;
  return isWhole ? name : `${name.slice(0, MOST_LENGTH - 3).toWellFormed()}...`;
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
}
