/**
 * A thread with its own connection that moves committed pages from the write-ahead log into the store file, with the
 * fsyncs this takes, while the main thread goes on. PASSIVE never blocks a reader or the writer.
 * In development Node runs this file as it is, types stripped: it imports nothing of ours.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const { path } = workerData as { path: string };
const db = new DatabaseSync(path, { timeout: 0 });
db.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -256; PRAGMA synchronous = FULL');
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');

parentPort?.on('message', (message: 'checkpoint' | 'close') => {
  if (message === 'close') {
    db.close();
    parentPort?.close();
    return;
  }
  try {
    parentPort?.postMessage(checkpoint.get());
  } catch (error) {
    // Errors lose their SQLite code on the way; the main thread meets the same fault with its own connection.
    parentPort?.postMessage({ failed: String(error) });
  }
});
