import { adapters } from '../../../src/adapters';
import { helpText, readCommandLine } from '../../../src/config/command-line';
import { SettingsError } from '../../../src/config/settings';

describe('the command line', () => {
  it('takes out files and actions and leaves the flags of settings', () => {
    expect(readCommandLine(['--config', 'a.yaml', '--server.port', '1', '--config=b.yaml', '--check-config'])).toEqual({
      configFiles: ['a.yaml', 'b.yaml'],
      action: 'check-config',
      flags: ['--server.port', '1'],
    });
  });

  it('serves when nothing else is asked', () => {
    expect(readCommandLine([])).toEqual({ configFiles: [], action: 'serve', flags: [] });
  });

  it('refuses a --config without a file', () => {
    expect(() => readCommandLine(['--config'])).toThrow(new SettingsError(['--config: needs the name of a file']));
  });

  it('explains every setting with its default', () => {
    expect(helpText(adapters)).toContain('--server.port  Port to listen on; 0 takes a free one [8080]');
  });
});
