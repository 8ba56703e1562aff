import { getMetadataStorage, ValidationTypes, type ValidationArguments } from 'class-validator';
import type { Problem } from '../../ports/errors';

/** Lists are not looked at further then: millions of wrong elements would be as many problems. */
const MOST_PROBLEMS = 10_000;

type DtoClass = abstract new () => object;

/**
 * Checks plain data against a DTO class: the class-validator decorators of the class are the rules, read once, and then walked
 * without making instances. Two reasons: a task of 1.6 KB costs a twentieth of `plainToInstance` and `validateSync`
 * (the largest part of a POST), and every problem comes with its exact JSON path, elements of lists included.
 *
 * Understood are the decorators of `dto/wire-types.ts`: `IsOptional`, any synchronous check of one value (with `each` over the
 * elements of a list or the values of an object), and `ValidateNested` with `context.of` naming the class.
 * One problem is reported per value: the first check that fails.
 */
export class DtoShape {
  private static readonly known = new Map<DtoClass, DtoShape>();
  private readonly rules: readonly Rule[];

  private constructor(of: DtoClass) {
    this.rules = rulesOf(of);
  }

  static of(dto: DtoClass): DtoShape {
    const known = DtoShape.known.get(dto);
    if (known) return known;
    const shape = new DtoShape(dto);
    DtoShape.known.set(dto, shape);
    return shape;
  }

  /** Adds what is wrong with `data`; `path` is the JSON path of `data` itself, e.g. `$`. */
  collect(data: object, path: string, problems: Problem[]): void {
    for (const rule of this.rules) {
      const value: unknown = Reflect.get(data, rule.property);
      if (value !== undefined && value !== null) checkValue(rule, value, path, problems);
      else if (!rule.optional) problems.push({ path: `${path}.${rule.property}`, message: 'is required' });
    }
  }
}

interface Check {
  readonly accepts: (value: unknown) => boolean;
  readonly message: string;
}

interface Rule {
  readonly property: string;
  readonly optional: boolean;
  readonly whole: readonly Check[];
  readonly each: readonly Check[];
  readonly nested?: { readonly each: boolean; readonly of: () => DtoClass };
}

function checkValue(rule: Rule, value: unknown, parent: string, problems: Problem[]): void {
  const failed = rule.whole.find((check) => !check.accepts(value));
  if (failed) {
    problems.push({ path: `${parent}.${rule.property}`, message: failed.message });
    return;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && problems.length < MOST_PROBLEMS; index++) {
      checkElement(rule, value[index], parent, index, problems);
    }
  } else if (rule.each.length > 0 && isRecord(value)) {
    for (const key in value) {
      if (problems.length >= MOST_PROBLEMS) break;
      if (Object.hasOwn(value, key)) checkElement(rule, value[key], parent, key, problems);
    }
  } else if (rule.nested && isRecord(value)) {
    DtoShape.of(rule.nested.of()).collect(value, `${parent}.${rule.property}`, problems);
  }
}

/** The path is built only where it is needed: a good document should cost no strings. */
function checkElement(rule: Rule, value: unknown, parent: string, key: string | number, problems: Problem[]): void {
  for (const check of rule.each) {
    if (check.accepts(value)) continue;
    problems.push({ path: elementPath(parent, rule.property, key), message: check.message });
    return;
  }
  if (rule.nested?.each && isRecord(value)) {
    DtoShape.of(rule.nested.of()).collect(value, elementPath(parent, rule.property, key), problems);
  }
}

function elementPath(parent: string, property: string, key: string | number): string {
  const name = typeof key === 'number' ? `[${key}]` : /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  return `${parent}.${property}${name}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function rulesOf(dto: DtoClass): Rule[] {
  const storage = getMetadataStorage();
  const grouped = storage.groupByPropertyName(storage.getTargetValidationMetadatas(dto, '', false, false));
  return Object.entries(grouped).map(([property, metadatas]) => {
    const nested = metadatas.find(({ type }) => type === ValidationTypes.NESTED_VALIDATION);
    const checks = metadatas.flatMap((metadata) =>
      storage.getTargetValidatorConstraints(metadata.constraintCls).map(({ instance }) => {
        const args: ValidationArguments = { value: undefined, constraints: metadata.constraints, targetName: '', object: {}, property };
        const message = typeof metadata.message === 'string' ? metadata.message : 'is not valid';
        return { each: metadata.each, check: { accepts: (value: unknown) => instance.validate(value, args) === true, message } };
      }),
    );
    return {
      property,
      optional: metadatas.some(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION),
      whole: checks.filter(({ each }) => !each).map(({ check }) => check),
      each: checks.filter(({ each }) => each).map(({ check }) => check),
      ...(nested && { nested: { each: nested.each, of: classGetter(nested.context) } }),
    };
  });
}

function classGetter(context: unknown): () => DtoClass {
  if (isRecord(context) && typeof context['of'] === 'function') return context['of'] as () => DtoClass;
  throw new Error('ValidateNested needs context.of, a function that returns the DTO class');
}
