// H, the yardstick: a bare node:http server with a constant 100-byte JSON answer. Prints its port on stdout.
import http from 'node:http';

const body = Buffer.from(JSON.stringify({ ok: true, pad: 'x'.repeat(100 - 20) }));
const server = http.createServer((request, response) => {
  request.resume();
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(server.address().port));
