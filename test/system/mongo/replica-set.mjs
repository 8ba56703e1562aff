// Makes a replica set of the mongod processes at these ports of loopback, if they are none yet, and waits until it takes writes.
import { setTimeout as pause } from 'node:timers/promises';
import mongoose from 'mongoose';

const ports = process.argv.slice(2);
const deadline = Date.now() + 60_000;
const members = ports.map((port, index) => ({ _id: index, host: `127.0.0.1:${port}` }));
const direct = new mongoose.mongo.MongoClient(`mongodb://127.0.0.1:${ports[0]}/?directConnection=true&${process.env.MONGO_QUERY ?? ''}`, {
  serverSelectionTimeoutMS: 20_000,
});
try {
  const admin = direct.db('admin');
  await admin.command({ replSetInitiate: { _id: 'rs0', members, settings: { electionTimeoutMillis: 2000 } } }).catch((error) => {
    // AlreadyInitialized; or that is so, and there are users
    if (error.code !== 23 && error.code !== 13) throw error;
  });
  for (;;) {
    const { hosts = [], primary, isWritablePrimary } = await admin.command({ hello: 1 });
    if (isWritablePrimary || (primary !== undefined && hosts.includes(primary))) break;
    if (Date.now() > deadline) throw new Error('no member became primary');
    await pause(50);
  }
} finally {
  await direct.close();
}
