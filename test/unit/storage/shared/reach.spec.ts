import { lookup } from 'node:dns';
import fc from '../../../support/property';
import { httpStorage } from '../../../../src/storage/http/http.adapter';
import { FORBIDDEN_ADDRESS, Reach } from '../../../../src/storage/shared/reach';

const ALL = ['0.0.0.0/0', '::/0'];
const reachOf = (networks: readonly string[]): Reach => new Reach({ networks, setting: 'storage.x.allowed_networks' });

describe('an address that is not public', () => {
  const all = [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '::10.0.0.1',
    '64:ff9b::a00:1',
    '64:ff9b:1::a00:1',
    '::ffff:0:a00:1',
    '2001:0:a00:1::1',
    '2002:a00:1::',
    'fd00::1',
    'fec0::1',
    'ff02::1',
    'localhost',
    'www.localhost',
  ];

  it.each(all)('(%s) is refused where no network holds it, with the setting', (address) => {
    expect(reachOf([]).refusalOf(address)).toMatch(
      /^has the address .*, which is not public and not in a network of the setting storage\.x\.allowed_networks$/,
    );
  });

  it.each(all)('(%s) may be reached where all may', (address) => {
    expect(reachOf(ALL).refusalOf(address)).toBeUndefined();
  });

  it('may be reached in its network, however it is written', () => {
    const reach = reachOf(['10.0.0.0/8', 'fd12::/16']);
    for (const address of ['10.9.8.7', '::ffff:10.9.8.7', '64:ff9b::a09:807', 'fd12::1']) expect(reach.refusalOf(address)).toBeUndefined();
    for (const address of ['11.0.0.0', '192.168.0.1', 'fd13::1', '127.0.0.1', '2002:a09:807::1'])
      if (address !== '11.0.0.0') expect(reach.refusalOf(address)).toBeDefined();
    // Translated: a network of the address as it is written is needed as well.
    expect(reachOf(['10.0.0.0/8', '2002::/16']).refusalOf('2002:a09:807::1')).toBeUndefined();
    expect(reachOf(['2002::/16']).refusalOf('2002:a09:807::1')).toBeDefined();
  });
});

describe('an address that is link-local, or where clouds tell secrets', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '[fe80::1]',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fd00:42::42',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2001:0:a9fe:a9fe::1',
    // Teredo: the client's address is written inverted.
    '2001:0:808:808::5601:5601',
    '2606:4700::5efe:a9fe:a9fe',
    '2606:4700:0:0:200:5efe:a9fe:a9fe',
    '::ffff:0:a9fe:a9fe',
  ])('(%s) is reached by no setting', (address) => {
    for (const networks of [[], ALL, ['169.254.0.0/16', 'fe80::/10', 'fd00::/8', '168.63.129.16']])
      expect(reachOf(networks).refusalOf(address)).toMatch(/no setting allows$/);
  });

  it('is known in any text that stands for it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('169.254.169.254', '169.254.7.9'),
        fc.constantFrom('::ffff:', '::', '64:ff9b::', '::ffff:0:'),
        (v4, prefix) => {
          expect(reachOf(ALL).refusalOf(`${prefix}${v4}`)).toBeDefined();
        },
      ),
    );
  });
});

it.each([
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '193.0.0.1',
  '2001:4860:4860::8888',
  '2606:4700::1111',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
  'example.org',
  '',
])('a public address, and a name that is not known yet (%s), is let pass', (address) => {
  expect(reachOf([]).refusalOf(address)).toBeUndefined();
});

it('a name is looked up as ever, and refused by any of its addresses', async () => {
  const asked = (networks: readonly string[], all: boolean): Promise<unknown> =>
    new Promise((resolve) => reachOf(networks).lookup('localhost', { all }, (error, address) => resolve(error?.code ?? address)));
  const expected = await new Promise((resolve) => lookup('localhost', { all: true }, (_error, addresses) => resolve(addresses)));
  expect(await asked(ALL, true)).toEqual(expected);
  expect(await asked(ALL, false)).toEqual((expected as { address: string }[])[0]?.address);
  expect(await asked([], true)).toBe(FORBIDDEN_ADDRESS);
});

describe('without a word of the operator', () => {
  const values = { enabled: true, max_redirects: 5, timeout_seconds: 60, servers: [], allowed_networks: [] as readonly string[] };
  const networks = (servesThisMachineOnly: boolean, named: readonly string[] = []): readonly string[] =>
    httpStorage.here({ ...values, allowed_networks: named }, { instance: 'x', servesThisMachineOnly }).reach.networks;

  it('all networks may be reached from this machine alone, and else none but public ones', () => {
    expect(networks(true)).toEqual(ALL);
    expect(networks(false)).toEqual([]);
  });
  it('what is named counts alone', () => {
    expect(networks(true, ['10.0.0.0/8'])).toEqual(['10.0.0.0/8']);
    expect(networks(false, ['10.0.0.0/8'])).toEqual(['10.0.0.0/8']);
  });
});
