import { nextClass } from '../../../src/engine/queue-order';

describe('whose turn it is', () => {
  it('is the class with the oldest task, the first of equals', () => {
    expect(nextClass([])).toBeUndefined();
    const [late, early, same] = [{ place: '02' }, { place: '01' }, { place: '01' }];
    expect(nextClass([late, early, same])).toBe(early);
  });
});
