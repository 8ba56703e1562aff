import { getMetadataStorage, ValidationTypes, type ValidationArguments } from 'class-validator';
import { isObject } from '../task/plain-object';
import { type Members, type Rule, Shape } from './shape';

type DtoClass = abstract new () => object;

const known = new Map<DtoClass, Shape>();

/**
 * The shape that the class-validator decorators of a class say; members that none is said of pass. Understood are `IsOptional`, any
 * synchronous check of one value (with `each` over the elements of a list or the values of an object), and `ValidateNested` with
 * `context.of`, a function that returns the class.
 */
export function shapeOf(dto: DtoClass): Shape {
  const shape = known.get(dto) ?? new Shape(membersOf(dto), false);
  known.set(dto, shape);
  return shape;
}

function membersOf(dto: DtoClass): Members {
  const storage = getMetadataStorage();
  const grouped = storage.groupByPropertyName(storage.getTargetValidationMetadatas(dto, '', false, false));
  const members = Object.entries(grouped).map(([property, metadatas]) => {
    const ruleOf = (isOfEach: boolean): Rule => {
      const here = metadatas.filter(({ each }) => (each ? isOfEach : !isOfEach));
      const nested = here.find(({ type }) => type === ValidationTypes.NESTED_VALIDATION);
      const checks = here.flatMap((metadata) =>
        storage.getTargetValidatorConstraints(metadata.constraintCls).map(({ instance }) => {
          const args: ValidationArguments = { value: undefined, constraints: metadata.constraints, targetName: '', object: {}, property };
          const message = typeof metadata.message === 'string' ? metadata.message : 'is not valid';
          return { test: (value: unknown) => instance.validate(value, args) === true, message };
        }),
      );
      return { checks, ...(nested && { of: shapeGetter(nested.context) }) };
    };
    return [
      property,
      {
        ...ruleOf(false),
        ...(metadatas.some(({ each }) => each) && { each: ruleOf(true) }),
        ...(metadatas.some(({ type }) => type === ValidationTypes.CONDITIONAL_VALIDATION) && { optional: true as const }),
      },
    ];
  });
  return Object.fromEntries(members) as Members;
}

function shapeGetter(context: unknown): () => Shape {
  if (isObject(context) && typeof context['of'] === 'function') {
    const of = context['of'] as () => DtoClass;
    return () => shapeOf(of());
  }
  throw new Error('ValidateNested needs context.of, a function that returns the class');
}
