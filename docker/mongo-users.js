// Read by mongosh at each start of the database (mongo.sh): makes the replica set, an administrator and the gateway's user where they are
// missing, and gives the gateway's user the password that stands in its secret, so that changing the secret changes the password.
const { readFileSync } = require('fs');
const { db: shown, rs, sleep } = globalThis;
const secret = (name) => readFileSync(`/run/secrets/${name}`, 'utf8').trim();
const { username, password } = new URL(secret('store_url').replace(/^mongodb:/, 'http:'));
const admin = shown.getSiblingDB('admin');

if (admin.hello().setName === undefined) rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongo:27017' }] });
while (!admin.hello().isWritablePrimary) sleep(200);

const login = () => admin.auth('admin', secret('mongo_admin_password'));
try {
  login();
} catch {
  // Refused unless this is the first user of all.
  admin.createUser({ user: 'admin', pwd: secret('mongo_admin_password'), roles: ['root'] });
  login();
}
const user = { pwd: decodeURIComponent(password), roles: [{ role: 'readWrite', db: 'tes_gateway' }] };
if (admin.getUser(username) === null) admin.createUser({ user: username, ...user });
else admin.updateUser(username, user);
