import { helpText, readCommandLine } from '../../../src/config/command-line';

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

  it('leaves a --config without a file to be refused as a flag', () => {
    expect(readCommandLine(['--config']).flags).toEqual(['--config']);
  });

  it('explains every setting with its default', () => {
    expect(helpText()).toContain('--server.port  Port to listen on; 0 takes a free one [8080]');
  });
});
