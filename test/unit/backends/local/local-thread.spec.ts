import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LocalThread } from '../../../../src/backends/local/local-thread';
import { temporaryDirectory } from '../temporary-directory';

describe('the thread of the local backend', () => {
  const directory = temporaryDirectory('local-thread');

  it('removes a tree, and says why when it cannot', async () => {
    const thread = new LocalThread();
    mkdirSync(join(directory(), 'a', 'b'), { recursive: true });
    await thread.remove(join(directory(), 'a'));
    expect(existsSync(join(directory(), 'a'))).toBe(false);
    await expect(thread.remove('/proc/self/status')).rejects.toMatchObject({
      code: expect.stringMatching(/^E(PERM|ACCES|NOENT|ROFS)$/) as string,
    });
    await thread.close();
  });
});
