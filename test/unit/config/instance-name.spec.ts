import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { directoryId, instanceName } from '../../../src/config/instance-name';

describe('the name of an instance', () => {
  let folder: string;
  beforeEach(() => {
    const scratch = process.env['TES_GATEWAY_CACHE'] ?? join(homedir(), '.cache', 'tes-gateway');
    mkdirSync(scratch, { recursive: true });
    folder = mkdtempSync(join(scratch, 'instance-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is the one of the settings', () => expect(instanceName('north-1', folder)).toBe('north-1'));

  it('is made up once and kept in the data directory', () => {
    const data = join(folder, 'data');
    const name = instanceName('', data);
    expect(name).toMatch(/^.+-[0-9a-f]{8}$/);
    expect(instanceName('', data)).toBe(name);
  });

  it('and so is what the data directory is known by', () => {
    const [one, other] = [directoryId(join(folder, 'a')), directoryId(join(folder, 'b'))];
    expect(directoryId(join(folder, 'a'))).toBe(one);
    expect(other).not.toBe(one);
  });

  it('differs between data directories', () => {
    expect(instanceName('', join(folder, 'a'))).not.toBe(instanceName('', join(folder, 'b')));
  });

  it('is not lost when the file cannot be read as one', () => {
    mkdirSync(join(folder, 'instance'));
    expect(() => instanceName('', folder)).toThrow('EISDIR');
  });
});
