import { FileStorage } from '../../src/storage/file/file.storage';
import { sharedGateway } from './app';
import { Client, TRUE_TASK } from './client';

describe('files that meet', () => {
  const gateway = sharedGateway({ storage: [new FileStorage({ allowed: ['/data'] })] });
  const client = new Client(() => gateway().port);

  it('as outputs at one URL are refused with both names', async () => {
    const outputs = [
      { path: '/o1', url: '/data/x' },
      { path: '/o2', url: 'file:///data/x' },
    ];
    expect(await client.post({ ...TRUE_TASK, outputs })).toMatchObject({
      status: 400,
      json: {
        message: '$.outputs[1].url: is also the url of another output, $.outputs[0]: /o2 and /o1 would overwrite each other',
        details: [{ path: '$.outputs[1].url' }],
      },
    });
  });

  it('as one output given twice are taken', async () => {
    await client.create({ outputs: [0, 1].map(() => ({ path: '/o', url: '/data/x', type: 'FILE' })) });
  });

  it('as inputs on one path are taken when they name one object, else refused with both', async () => {
    const inputs = (...urls: readonly string[]) => urls.map((url) => ({ path: '/in', url, type: 'FILE' as const }));
    await client.create({ inputs: inputs('/data/x', 'file:///data/./x') });
    const answer = await client.post({ ...TRUE_TASK, inputs: inputs('/data/x', 'file:///data/y') });
    expect(answer).toMatchObject({ status: 400, json: { message: '$.inputs[1].path: is also the path of another input, $.inputs[0]' } });
  });
});
