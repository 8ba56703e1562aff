import { addressOf } from '../../../src/config/address';

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
  expect(() => new URL(address)).not.toThrow();
});
