import { BlockList, isIP } from 'node:net';

/** Addresses, by network: `10.0.0.0/8`, `fd00::/8`, or a single address. */
export class Networks {
  private readonly list = new BlockList();

  /** Each of them without a fault (`faultOfNetwork`). */
  constructor(private readonly texts: readonly string[]) {
    for (const text of texts) {
      const [address = '', bits] = text.split('/');
      const isSix = isIP(address) === 6;
      this.list.addSubnet(address, Number(bits ?? (isSix ? 128 : 32)), isSix ? 'ipv6' : 'ipv4');
    }
  }

  get isEmpty(): boolean {
    return this.texts.length === 0;
  }

  /** False for what is no address. An IPv4 address in IPv6 notation is what it stands for. */
  has(address: string | undefined): boolean {
    const [bare = ''] = address?.split('%', 1) ?? [];
    const version = isIP(bare);
    return version !== 0 && this.list.check(bare, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/** What is wrong with it, to go on after its name; `undefined` = nothing. */
export function faultOfNetwork(text: string): string | undefined {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  if (version === 0) return 'is no address and no network: write 10.0.0.7, 10.0.0.0/8 or fd00::/8';
  return Number(bits ?? 0) > most ? `has more than ${most} bits` : undefined;
}
