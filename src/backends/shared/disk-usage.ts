import { execFile } from 'node:child_process';
import { TransferError } from '../../ports/errors';

/** Bytes of the disk that a tree takes; 0 when there is none. By a process of its own: it may hold millions of files. */
export function diskUsage(directory: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, signal, maxBuffer: 1 << 20 };
    execFile('du', ['-sk', '--', directory], options, (error, stdout) => {
      const kib = /^\d+/.exec(stdout)?.[0];
      // A code says that part of it cannot be read, or that nothing is there: the sum of the rest counts.
      if (kib !== undefined) resolve(Number(kib) * 1024);
      else if (typeof error?.code === 'number') resolve(0);
      else if (signal.aborted) reject(signal.reason as Error);
      else reject(new TransferError('the size of the workspace cannot be found out', { retryable: true, cause: error }));
    });
  });
}
