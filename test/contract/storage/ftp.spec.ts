import { truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFtp, type OwnFtp } from '../../system/pureftpd/pureftpd';
import { openPlace } from './ftp-place';
import { storageClientSuite, type StorageUnderTest } from './storage-client.suite';
import { ANYWHERE } from '../../support/connections';

async function open(ftp: OwnFtp): Promise<StorageUnderTest> {
  const { base, client, proxy, directory, other, names, close } = await openPlace(ftp);
  return {
    client,
    base,
    // The one place that these settings forbid; the client under test allows private addresses, or it would not reach the server.
    refusing: other({ reach: { ...ANYWHERE, networks: [] } }),
    forbidden: { url: `${base}/x`, setting: 'storage.http.allowed_networks' },
    age: (file, modifiedMs) => utimes(join(directory, file), new Date(), modifiedMs / 1000),
    names,
    storeHalf: () => {
      // The server stores it as it ought to, half of it is lost behind its back, and it says that all is well.
      proxy.reply = async (command, reply) => {
        const stored = /^STOR (.*)$/.exec(command)?.[1];
        if (stored !== undefined && reply.startsWith('226')) await truncate(join(directory, '..', stored), 5);
        return reply;
      };
    },
    stopServer: async () => {
      await ftp.stop();
      await proxy.close();
    },
    close,
  };
}

describeFtp('the contract of storages', (ftp) => {
  storageClientSuite('FTP', () => open(ftp()), { directories: true, as: 'prefixes', without: ['back\\slash'] });
});
