import { IsArray, IsObject, IsOptional, IsString, ValidateNested } from 'class-validator';
import { COUNT, list, map, type Members, object, oneOf, optional, Shape, TEXT } from '../../../src/shape/shape';
import { shapeOf } from '../../../src/shape/shape-of-class';
import type { Problem } from '../../../src/task/problem';

function problemsOf(shape: Shape, data: object): string[] {
  const problems: Problem[] = [];
  shape.collect(data, '$', problems);
  return problems.map((problem) => `${problem.path} ${problem.message}`);
}

interface Inner {
  readonly size: number;
  readonly word?: string;
}
const MEMBERS: Members = {
  name: TEXT,
  kind: optional(oneOf(['a', 'b', 'c'])),
  sizes: optional(list(COUNT)),
  inner: optional(object<Inner>({ size: COUNT, word: optional(TEXT) })),
  maps: optional(map(list(object<Inner>({ size: COUNT, word: optional(TEXT) })))),
};

class Leaf {
  @IsString({ message: 'must be a string' })
  word!: string;
}
class Tree {
  @IsOptional()
  @IsString({ message: 'must be a string' })
  name?: string;
  @IsArray({ message: 'must be a list' })
  @IsObject({ each: true, message: 'must be an object' })
  @ValidateNested({ each: true, context: { of: () => Leaf } })
  leaves!: Leaf[];
}

describe('a shape', () => {
  it('says everything that is wrong, each with its path, and nothing of good data', () => {
    expect(problemsOf(new Shape(MEMBERS), { name: '', maps: { 'a b': [{ size: 0 }] } })).toEqual([]);
    expect(
      problemsOf(new Shape(MEMBERS), {
        kind: 'd',
        sizes: [1, -1, '2'],
        inner: { size: 1, word: 7 },
        maps: { 'a b': [{ size: 0 }, {}], c: 3 },
      }),
    ).toEqual([
      '$.name is required',
      '$.kind must be one of a, b, c',
      '$.sizes[1] must be a whole number of 0 or more',
      '$.sizes[2] must be a whole number of 0 or more',
      '$.inner.word must be text',
      '$.maps["a b"][1].size is required',
      '$.maps.c must be a list',
    ]);
  });

  it('is exact, or lets pass what it does not name and takes null for absent', () => {
    const data = { name: 'x', kind: null, colour: 'red', constructor: 1 };
    expect(problemsOf(new Shape(MEMBERS), data)).toEqual([
      '$.kind must be one of a, b, c',
      '$.colour is not known',
      '$.constructor is not known',
    ]);
    expect(problemsOf(new Shape(MEMBERS, false), data)).toEqual([]);
    expect(problemsOf(new Shape({ constructor: TEXT }), {})).toEqual(['$.constructor is required']);
  });

  it('is read from the decorators of a class', () => {
    const shape = shapeOf(Tree);
    expect(shapeOf(Tree)).toBe(shape);
    expect(problemsOf(shape, { name: null, leaves: [{ word: 'a' }], more: 1 })).toEqual([]);
    expect(problemsOf(shape, { name: 1, leaves: [{}, 7, { word: null }] })).toEqual([
      '$.name must be a string',
      '$.leaves[0].word is required',
      '$.leaves[1] must be an object',
      '$.leaves[2].word is required',
    ]);
  });

  it('looks no further when a list holds nothing but faults', () => {
    expect(problemsOf(new Shape({ sizes: list(COUNT) }), { sizes: new Array(50_000).fill('x') })).toHaveLength(10_000);
  });
});
