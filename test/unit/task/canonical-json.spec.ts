import fc from '../../support/property';
import { canonicalJson } from '../../../src/task/canonical-json';

describe('canonical JSON', () => {
  it('is the same however a document was written', () => {
    const one = '{"tags":{"b":"2","a":"1","__proto__":"x"},"executors":[{"command":["y","x"],"image":"i"}]}';
    const other = '{"executors":[{"image":"i","command":["y","x"]}],"tags":{"__proto__":"x","a":"1","b":"2"}}';
    expect(canonicalJson(JSON.parse(one))).toBe(canonicalJson(JSON.parse(other)));
    expect(canonicalJson(JSON.parse(one))).toBe(
      '{"executors":[{"command":["y","x"],"image":"i"}],"tags":{"__proto__":"x","a":"1","b":"2"}}',
    );
  });
  it('tells lists in another order apart', () => {
    expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }));
  });
  it('says the same as the document', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (document) => expect(JSON.parse(canonicalJson(document))).toEqual(JSON.parse(JSON.stringify(document)))),
    );
  });
});
