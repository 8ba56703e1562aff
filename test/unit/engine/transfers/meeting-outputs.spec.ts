import { checkMeetingOutputs } from '../../../../src/engine/transfers/meeting-outputs';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { normalizeContainerPath } from '../../../../src/task/container-path';
import type { TesOutput } from '../../../../src/task/tes';
import { ANYWHERE } from '../../../support/connections';

const HTTP = { enabled: true, connectTimeoutMs: 1000, idleTimeoutMs: 1000, maxRedirects: 1, reach: ANYWHERE };
const storage = new StorageRegistry([new FileStorage({ allowed: ['/data'] }), new HttpStorage(HTTP)]);

const file = (path: string, url: string): TesOutput => ({ path, url, type: 'FILE' });
const directory = (path: string, url: string): TesOutput => ({ path, url, type: 'DIRECTORY' });
const wildcard = (path: string, url: string): TesOutput => ({ path, url, type: 'FILE', path_prefix: '/o' });

describe('outputs that would overwrite each other', () => {
  it.each<[string, TesOutput, TesOutput]>([
    ['two files', file('/o1', '/data/x'), file('/o2', '/data/x')],
    ['a path and a file URL', file('/o1', '/data/x'), file('/o2', 'file:///data/x')],
    ['dots, slashes, host and escapes', file('/o1', '/data/a/x'), file('/o2', 'file://localhost/data//b/../a/./%78')],
    ['a file and a directory', file('/o1', '/data/x'), directory('/o2', '/data/x/')],
    ['a directory and a file', directory('/o2', 'file:/data/x'), file('/o1', '/data/x')],
    ['one name below one directory', file('/a/o', '/data/'), file('/b/o', '/data/')],
    ['what goes below a directory and what is named there', file('/a/o', 'file:///data/'), file('/b/p', '/data/o')],
    ['a host in capitals, its port, an escape', file('/o1', 'http://h/%7Ex?a'), file('/o2', 'HTTP://H:80/~x?a')],
    ['a fragment', file('/o1', 'http://h/x#a'), file('/o2', 'http://h/x#b')],
    ['names that dots hide', file('/a/x/../o', '/data/'), file('/b/o/.', '/data/')],
    ['a directory with a query', file('/a/o', 'http://h/d/?sig=1'), file('/b/o', 'http://h/d/?sig=1')],
    ['a scheme that nobody serves', file('/o1', 's3://b/x'), file('/o2', 's3://b/x')],
    ['a prefix without a wildcard', wildcard('/o/1', '/data/x'), file('/o2', '/data/x')],
  ])('are refused with both names: %s', (_, one, other) => {
    expect(checkMeetingOutputs([one, file('/between', '/data/between'), other], storage)).toEqual([
      {
        path: '$.outputs[2].url',
        message: `is also the url of another output, $.outputs[0]: ${normalizeContainerPath(other.path)} and ${normalizeContainerPath(one.path)} would overwrite each other`,
      },
    ]);
  });

  it.each<[string, TesOutput, TesOutput]>([
    ['one path twice', file('/o', '/data/x'), file('/./o/', 'file:///data/x')],
    ['one path as a file and as a directory', file('/o', '/data/x'), directory('/o', '/data/x')],
    ['two directories, which are merged', directory('/o1', '/data/x'), directory('/o2', '/data/x')],
    ['wildcards', wildcard('/o/*.a', '/data/x'), wildcard('/o/*.b', '/data/x')],
    ['a wildcard and a file', wildcard('/o/*.a', '/data/x'), file('/o1', '/data/x')],
    ['two names below one directory', file('/o1', '/data/'), file('/o2', '/data/')],
    ['two queries', file('/o1', 'http://h/x?v=1'), file('/o2', 'http://h/x?v=2')],
    ['an escaped slash', file('/o1', 'http://h/a%2Fb'), file('/o2', 'http://h/a/b')],
  ])('are told from those that do not: %s', (_, one, other) => {
    expect(checkMeetingOutputs([one, other], storage)).toEqual([]);
  });

  it('are found whichever directory came first', () => {
    const directories = [directory('/a', '/data/x'), directory('/b', '/data/x'), directory('/c', '/data/x')];
    for (const path of ['/a', '/b', '/c']) {
      const [problem] = checkMeetingOutputs([...directories, file(path, '/data/x')], storage);
      expect(problem).toMatchObject({ path: '$.outputs[3].url' });
    }
  });

  it('are each refused, however many name one URL', () => {
    const outputs = Array.from({ length: 20_000 }, (_, index) => file(`/o${index}`, '/data/x'));
    expect(checkMeetingOutputs(outputs, storage)).toHaveLength(19_999);
  });
});
