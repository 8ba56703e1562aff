import { checkUrls } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { ANYWHERE } from '../../../support/connections';

const storage = new StorageRegistry([new FileStorage({ allowed: ['/data'] })]);

describe('checkUrls', () => {
  it('finds every URL that can never work, with its place and the setting', () => {
    const problems = checkUrls(
      {
        executors: [],
        inputs: [
          { path: '/a', type: 'FILE', url: '/data/x' },
          { path: '/b', type: 'FILE', url: '/data2/x' },
          { path: '/c', type: 'FILE', url: 's3://bucket/key' },
          { path: '/d', type: 'FILE', url: 'relative/path' },
        ],
        outputs: [
          { path: '/o', type: 'FILE', url: 'file:///data/../etc/passwd' },
          { path: '/p', type: 'FILE', url: 'FILE:///data/ok' },
        ],
      },
      storage,
      { key: 'me' },
    );
    expect(problems).toEqual([
      { path: '$.inputs[1].url', message: '/data2/x lies in no directory that the setting storage.file.allowed allows' },
      { path: '$.inputs[2].url', message: expect.stringContaining('no storage is set up for s3 URLs') as string },
      { path: '$.inputs[3].url', message: expect.stringContaining('neither a URL nor an absolute path') as string },
      { path: '$.outputs[0].url', message: expect.stringContaining('storage.file.allowed') as string },
    ]);
  });

  it('finds directories that are to be read where none can be listed, and only those', () => {
    const http = new HttpStorage({
      enabled: true,
      connectTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      maxRedirects: 1,
      reach: ANYWHERE,
    });
    const url = 'https://somewhere.example/d/';
    const inputs = [
      { path: '/a', type: 'FILE' as const, url },
      { path: '/b', type: 'DIRECTORY' as const, url },
      { path: '/c', type: 'DIRECTORY' as const, url: '/data/d' },
    ];
    const outputs = [{ path: '/o', type: 'DIRECTORY' as const, url }];
    const problems = checkUrls({ executors: [], inputs, outputs }, new StorageRegistry([new FileStorage({ allowed: ['/data'] }), http]), {
      key: 'me',
    });
    expect(problems).toEqual([{ path: '$.inputs[1].url', message: expect.stringContaining('https URLs name are single files') as string }]);
  });

  it('does not look at the url beside inline content', () => {
    const inputs = [{ path: '/a', type: 'FILE' as const, content: 'x', url: 's3://nobody/knows' }];
    expect(checkUrls({ executors: [], inputs }, storage, { key: 'me' })).toEqual([]);
  });

  it('has nothing to say of a task without files', () => {
    expect(checkUrls({ executors: [] }, storage, { key: 'me' })).toEqual([]);
  });
});
