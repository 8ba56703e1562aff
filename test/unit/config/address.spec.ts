import { addressOf, listenFault } from '../../../src/config/address';

it.each([
  ['127.0.0.1', 'http://127.0.0.1:8080'],
  ['tes.example.org', 'http://tes.example.org:8080'],
  ['0.0.0.0', 'http://127.0.0.1:8080'],
  ['::1', 'http://[::1]:8080'],
  ['::', 'http://[::1]:8080'],
  ['0:0::0', 'http://[::1]:8080'],
  ['2001:DB8::1', 'http://[2001:db8::1]:8080'],
  ['fe80::1%eth0', 'http://[fe80::1]:8080'],
])('what listens on %s is found at %s', (host, address) => {
  expect(addressOf(host, 8080)).toBe(address);
  expect(addressOf(host, 8080, 'https')).toBe(address.replace('http:', 'https:'));
  expect(() => new URL(address)).not.toThrow();
});

it.each([
  ['EADDRINUSE', 'server.port: another process listens on port 80 of 10.0.0.1: stop it, or choose another port (EADDRINUSE)'],
  ['EACCES', 'server.port: this user may not listen on port 80: choose one above 1023 (EACCES)'],
  ['EADDRNOTAVAIL', 'server.host: 10.0.0.1 is no address of this machine (EADDRNOTAVAIL)'],
  ['ENOTFOUND', 'server.host: 10.0.0.1 is no address of this machine, and no name of one (ENOTFOUND)'],
  ['EMFILE', 'EMFILE'],
])('%s, where nothing can listen, names the setting', (code, words) => {
  expect(listenFault(Object.assign(new Error(code), { code }), '10.0.0.1', 80)).toHaveProperty('message', words);
});
