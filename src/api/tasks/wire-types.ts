import { applyDecorators } from '@nestjs/common';
import { IsArray, IsBoolean, IsIn, IsNumber, IsObject, IsOptional, IsString, Max, Min, ValidateNested } from 'class-validator';

/**
 * The types of TES documents as class-validator decorators. They say what the JSON must be and nothing of its meaning;
 * `src/shape/shape-of-class.ts` reads them. `each` goes over a list's elements and, after `IsObject`, over a map's values.
 */
export const Optional = IsOptional;

export const Text = (): PropertyDecorator => IsString({ message: 'must be a string' });
export const Flag = (): PropertyDecorator => IsBoolean({ message: 'must be true or false' });

/** A finite number, 0 or more. */
export const Amount = (): PropertyDecorator =>
  applyDecorators(IsNumber({}, { message: 'must be a number' }), Min(0, { message: 'must not be negative' }));

/** An amount whose whole part is an int32. */
export const Cores = (): PropertyDecorator => applyDecorators(Amount(), Max(2 ** 31 - 1, { message: 'must fit into 32 bits' }));

export const Choice = (words: readonly string[]): PropertyDecorator => IsIn(words, { message: `must be one of ${words.join(', ')}` });

export const TextList = (): PropertyDecorator =>
  applyDecorators(IsArray({ message: 'must be a list' }), IsString({ each: true, message: 'must be a string' }));

export const TextMap = (): PropertyDecorator =>
  applyDecorators(IsObject({ message: 'must be an object' }), IsString({ each: true, message: 'must be a string' }));

/** An object of another DTO class. */
export const One = (of: () => object): PropertyDecorator =>
  applyDecorators(IsObject({ message: 'must be an object' }), ValidateNested({ context: { of } }));

/** A list of objects of another DTO class. */
export const Many = (of: () => object): PropertyDecorator =>
  applyDecorators(
    IsArray({ message: 'must be a list' }),
    IsObject({ each: true, message: 'must be an object' }),
    ValidateNested({ each: true, context: { of } }),
  );
