import { faultOfNetwork, Networks } from '../../../src/ports/networks';

describe('networks', () => {
  const networks = new Networks(['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '2001:db8::1']);

  it.each(['10.255.0.1', '192.168.1.7', '::ffff:10.0.0.1', '::ffff:a00:1', 'fd12::3', 'FD12::3', '2001:db8::1', 'fd00::1%eth0'])(
    'hold %s',
    (address) => expect(networks.has(address)).toBe(true),
  );
  it.each(['11.0.0.1', '192.168.1.8', '::ffff:11.0.0.1', 'fe80::1', '2001:db8::2', '::', '0.0.0.0'])('do not hold %s', (address) =>
    expect(networks.has(address)).toBe(false),
  );
  it.each([undefined, '', 'unknown', '10.0.0', '10.0.0.1:80', '[fd00::1]', 'localhost', '10.0.0.1, 10.0.0.2'])(
    'do not hold what is no address: %j',
    (address) => expect(networks.has(address)).toBe(false),
  );

  it('that are none hold nothing, those of length 0 everything of their kind', () => {
    expect(new Networks([]).has('127.0.0.1')).toBe(false);
    expect(['1.2.3.4', 'fd00::1'].map((address) => new Networks(['0.0.0.0/0']).has(address))).toEqual([true, false]);
  });

  it.each(['10.0.0.7', '10.0.0.0/8', '10.0.0.0/32', '0.0.0.0/0', 'fd00::/8', '::1', '::/0', 'fd00::/128'])('may be written %s', (text) => {
    expect(faultOfNetwork(text)).toBeUndefined();
    expect(() => new Networks([text])).not.toThrow();
  });
  it.each([
    ['10.0.0.0/33', 'has more than 32 bits'],
    ['fd00::/129', 'has more than 128 bits'],
    ['10.0.0/8', 'is no address'],
    ['10.0.0.0/', 'is no address'],
    ['10.0.0.0/-1', 'is no address'],
    ['10.0.0.0/8/8', 'is no address'],
    ['10.0.0.0/255.0.0.0', 'is no address'],
    ['proxy.example', 'is no address'],
    ['true', 'is no address'],
    ['*', 'is no address'],
    ['fe80::1%eth0', 'is no address'],
    [' 10.0.0.1', 'is no address'],
  ])('may not be written %j', (text, words) => expect(faultOfNetwork(text)).toContain(words));
});
