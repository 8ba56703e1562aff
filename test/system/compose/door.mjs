// Started inside a daemon's own network: hands what comes over a unix socket to a port of its loopback. node door.mjs SOCKET PORT
// Ends with whoever started it.
import { connect, createServer } from 'node:net';

const [socket, port] = process.argv.slice(2);
createServer((near) => {
  const far = connect(Number(port), '127.0.0.1');
  for (const [one, other] of [
    [near, far],
    [far, near],
  ]) {
    one.on('error', () => other.destroy());
    one.pipe(other);
  }
}).listen(socket, () => process.stdout.write('open\n'));
process.stdin.resume().on('end', () => process.exit(0));
