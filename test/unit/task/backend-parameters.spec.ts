import {
  ambiguousParameters,
  backendParameter,
  COMMON_PARAMETER_KEYS,
  droppedParametersWarning,
  parameterKeys,
  unsupportedParameters,
  withoutParameters,
} from '../../../src/task/backend-parameters';

describe('backend parameters (fine print 43 to 45)', () => {
  const parameters = { VmSize: 'big', Backend: 'local', MAX_runtime_seconds: '60' };

  it('have case-insensitive keys', () => {
    expect(parameterKeys(parameters)).toEqual(['vmsize', 'backend', 'max_runtime_seconds']);
    expect(parameterKeys({ a: '1', A: '1' })).toEqual(['a']);
    expect(parameterKeys(undefined)).toEqual([]);
    expect(backendParameter(parameters, 'vmsize')).toBe('big');
    expect(backendParameter(parameters, 'max_runtime_seconds')).toBe('60');
    expect(backendParameter(parameters, 'other')).toBeUndefined();
    expect(backendParameter(undefined, 'backend')).toBeUndefined();
  });
  it('count as absent when they are empty', () => {
    expect(backendParameter({ backend: '' }, 'backend')).toBeUndefined();
    expect(backendParameter({ backend: '', BACKEND: 'x' }, 'backend')).toBe('x');
  });
  it('are ambiguous when one key has two values', () => {
    expect(ambiguousParameters({ a: '1', A: '2', b: '1', B: '1' })).toEqual(['a']);
    expect(ambiguousParameters(undefined)).toEqual([]);
  });
  it('are unsupported when neither every backend nor this one knows them', () => {
    expect(unsupportedParameters(parameterKeys(parameters), [])).toEqual(['vmsize']);
    expect(unsupportedParameters(parameterKeys(parameters), ['vmsize'])).toEqual([]);
    expect(unsupportedParameters([...COMMON_PARAMETER_KEYS], [])).toEqual([]);
  });
  it('are dropped however they are written, and the map with the last of them', () => {
    expect(withoutParameters(parameters, ['vmsize'])).toEqual({ Backend: 'local', MAX_runtime_seconds: '60' });
    expect(withoutParameters({ VMSIZE: 'x' }, ['vmsize'])).toBeUndefined();
    expect(parameters).toHaveProperty('VmSize');
  });
  it('keep __proto__ a plain key', () => {
    const hostile = JSON.parse('{"__proto__":"x","y":"z"}') as Record<string, string>;
    expect(parameterKeys(hostile)).toEqual(['__proto__', 'y']);
    expect(JSON.stringify(withoutParameters(hostile, ['y']))).toBe('{"__proto__":"x"}');
    expect(backendParameter({}, '__proto__')).toBeUndefined();
  });
  it('are named in the warning', () => {
    expect(droppedParametersWarning(['vmsize', 'zone'], 'local')).toBe(
      'backend parameters not supported by local were dropped: vmsize, zone',
    );
  });
});
