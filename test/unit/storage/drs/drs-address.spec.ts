import { addressOf, type DrsNames } from '../../../../src/storage/drs/drs-address';

const NAMES: DrsNames = {
  servers: [{ host: 'lab.example.org', url: 'http://10.0.0.7:8080/api/' }],
  compactIds: {
    'dg.4503': 'https://gen3.example.org/ga4gh/drs/v1/objects/dg.4503%2F{$id}',
    'ebi/ega': 'https://ega.example.org/ga4gh/drs/v1/objects/{$id}',
    lab: 'http://10.0.0.7:8080/api/objects/{$id}',
    port: 'https://by-prefix.example.org/objects/{$id}',
  },
};

describe('the address of an object', () => {
  it.each([
    ['drs://drs.example.org/314159', 'https://drs.example.org/ga4gh/drs/v1/objects/314159', 'drs.example.org'],
    ['DRS://DRS.Example.org/314159', 'https://drs.example.org/ga4gh/drs/v1/objects/314159', 'drs.example.org'],
    ['drs://drs.example.org:8443/a', 'https://drs.example.org:8443/ga4gh/drs/v1/objects/a', 'drs.example.org:8443'],
    ['drs://[::1]:8443/a', 'https://[::1]:8443/ga4gh/drs/v1/objects/a', '[::1]:8443'],
    ['drs://lab.example.org/a', 'http://10.0.0.7:8080/api/objects/a', 'lab.example.org'],
    // An id is one segment, whatever it holds.
    ['drs://h/dg.1%2Fa%20b', 'https://h/ga4gh/drs/v1/objects/dg.1%2Fa%20b', 'h'],
    ['drs://h/dg.1/a', 'https://h/ga4gh/drs/v1/objects/dg.1%2Fa', 'h'],
    ['drs://h/100%', 'https://h/ga4gh/drs/v1/objects/100%25', 'h'],
    ['drs://dg.4503:abc', 'https://gen3.example.org/ga4gh/drs/v1/objects/dg.4503%2Fabc', 'gen3.example.org'],
    ['drs://dg.4503:a/b$&c', 'https://gen3.example.org/ga4gh/drs/v1/objects/dg.4503%2Fa%2Fb%24%26c', 'gen3.example.org'],
    ['drs://ebi/ega:EGA1', 'https://ega.example.org/ga4gh/drs/v1/objects/EGA1', 'ega.example.org'],
    // What the settings say of a server counts, also by its address.
    ['drs://lab:7', 'http://10.0.0.7:8080/api/objects/7', 'lab.example.org'],
    ['drs://port:80/x', 'https://by-prefix.example.org/objects/80%2Fx', 'by-prefix.example.org'],
  ])('of %s', (url, objectUrl, host) => {
    expect(addressOf(url, NAMES)).toEqual({ objectUrl, host });
  });

  it.each([
    ['drs://h/', 'neither drs://HOST/ID nor drs://PREFIX:ACCESSION'],
    ['drs://h', 'neither'],
    ['drs:h/a', 'neither'],
    ['drs:///a', 'neither'],
    ['drs://user:pw@h/a', 'neither'],
    ['drs://h/a?x=1', 'neither'],
    ['drs://h/a#b', 'neither'],
    ['drs://unknown:abc', 'storage.drs.compact_ids knows no prefix unknown'],
    ['drs://constructor:abc', 'storage.drs.compact_ids knows no prefix constructor'],
    ['drs://h/..', 'must not have . or ..'],
    ['drs://h/a%2F..%2Fb', 'must not have . or ..'],
    ['drs://dg.4503:../../x', 'must not have . or ..'],
    ['drs://h/a%00b', 'control characters'],
    [`drs://h/${'x'.repeat(1025)}`, '1 to 1024 characters'],
  ])('of %s is refused', (url, words) => {
    const refused = addressOf(url, NAMES);
    expect(refused).toEqual(expect.stringContaining(words));
    expect(refused).not.toContain('pw');
  });
});
