import { factsOf, statOf, writtenTime } from '../../../../src/storage/ftp/ftp-facts';

const answer = (facts: string): string => `250-Begin\n ${facts} a name\n250 End.`;

describe('the facts of a file', () => {
  it('tell size, time and version, whatever the case and order of their names', () => {
    expect(factsOf(answer('Modify=20200102030405.25;SIZE=7;Type=file;unique=a1;'))).toEqual({
      kind: 'file',
      sizeBytes: 7,
      modifiedMs: Date.UTC(2020, 0, 2, 3, 4, 5, 250),
      version: '7 20200102030405.25 a1',
    });
  });

  it.each([
    ['type=cdir;sizd=4096;modify=20200102030405;', 'directory'],
    ['type=dir;', 'directory'],
    ['type=OS.unix=slink:/x;size=1;', 'link'],
    ['type=OS.unix=symlink;', 'link'],
    ['type=OS.unix=socket;', 'other'],
    ['size=1;', 'other'],
    ['type=__proto__;', 'other'],
  ])('of %s', (facts, kind) => {
    expect(factsOf(answer(facts))?.kind).toBe(kind);
  });

  it('are none where the server says something else', () => {
    for (const strange of ['', '250 done', '250-Begin\n no facts\n250 End.']) expect(factsOf(strange)).toBeUndefined();
    expect(factsOf(answer('type=file;size=many;modify=soon;'))).toEqual({ kind: 'file' });
    expect(statOf({ kind: 'link' })).toBeUndefined();
  });

  it('say a time as it is set', () => {
    expect(writtenTime(Date.UTC(2020, 0, 2, 3, 4, 5, 999))).toBe('20200102030405');
  });
});
