// Which network addresses belong to everyone: a server that calls URLs given by strangers must not be led into its own network.
import { lookup as resolve, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';

const reserved = new BlockList();
for (const [address, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.168.0.0', 16],
  ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) reserved.addSubnet(address, prefix, 'ipv4');
// only 2000::/3 is handed out; of it these hold IPv4 addresses or examples
const globalIpv6 = new BlockList();
globalIpv6.addSubnet('2000::', 3, 'ipv6');
for (const [address, prefix] of [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]] as const) reserved.addSubnet(address, prefix, 'ipv6');

export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isPublicAddress(mapped);
  if (isIPv6(address)) return globalIpv6.check(address, 'ipv6') && !reserved.check(address, 'ipv6');
  return isIP(address) === 4 && !reserved.check(address, 'ipv4');
}

/** A host of a URL that is an address, without brackets; undefined for a name. */
export function addressOf(hostname: string): string | undefined {
  const plain = hostname.replace(/^\[|\]$/g, '');
  return isIP(plain) === 0 ? undefined : plain;
}

/** For sockets: gives public addresses only, so that what was checked is what is connected to. */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return callback(error, '', 0);
    const allowed = found.filter(({ address }) => isPublicAddress(address));
    const first = allowed[0];
    if (first === undefined) return callback(Object.assign(new Error(`${hostname} is in a private network`), { code: 'EPRIVATE' }), '', 0);
    if (options.all === true) callback(null, allowed as never);
    else callback(null, first.address, first.family);
  });
};
