import { MAX_NESTING, parseJsonBody } from '../../../../src/api/http/json-body';
import { InvalidRequest } from '../../../../src/ports/errors';

const parse = (text: string): unknown => parseJsonBody(Buffer.from(text));
const refusal = (bytes: Buffer | string): string => {
  try {
    parseJsonBody(Buffer.from(bytes));
  } catch (error) {
    if (error instanceof InvalidRequest) return error.publicMessage;
    throw error;
  }
  return 'accepted';
};

describe('parseJsonBody', () => {
  it('takes an empty body, and one of white space, as none', () => {
    expect(parse('')).toBeUndefined();
    expect(parse(' \r\n')).toBeUndefined();
  });

  it('reads null, which one client cancels with', () => {
    expect(parse('null')).toBeNull();
  });

  it('reads a body that begins with a byte order mark', () => {
    expect(parse('\ufeff{"name":"ä"}')).toEqual({ name: 'ä' });
  });

  it('keeps __proto__ and constructor as data and leaves every prototype alone', () => {
    const body = parse('{"tags":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":true}}') as { tags: object };
    expect(Object.keys(body.tags)).toEqual(['__proto__', 'constructor']);
    expect(JSON.stringify(body.tags)).toBe('{"__proto__":"x","constructor":"y"}');
    expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [...Buffer.from('{}', 'utf16le'), 0xff, 0xfe]],
  ])('refuses bytes that are not UTF-8: %s', (_what, bytes) => {
    expect(refusal(Buffer.from(bytes))).toBe('the body is not valid UTF-8');
  });

  it.each(['{', '{"a":1,}', '[1 2]', 'undefined', '{"a":"\u0001"}', '"\\x"', 'NaN', '{} {}', '01'])(
    'refuses what is not JSON: %j',
    (text) => {
      expect(refusal(text)).toMatch(/^the body is not JSON: /);
    },
  );

  it('never repeats the text it refuses, which may hold a secret', () => {
    expect(refusal('{"content":"AWS_SECRET=hunter2" oops')).not.toMatch(/hunter2|AWS/);
  });

  it.each([
    ['[', ']'],
    ['{"a":', '}'],
  ])('reads %j to the limit of nesting and refuses one level more', (open, close) => {
    const nested = (levels: number): string => `${open.repeat(levels)}1${close.repeat(levels)}`;
    expect(refusal(nested(MAX_NESTING))).toBe('accepted');
    expect(refusal(nested(MAX_NESTING + 1))).toBe(`the body nests deeper than ${MAX_NESTING} levels`);
  });

  it('refuses brackets without end before it builds anything from them', () => {
    expect(refusal('['.repeat(5_000_000))).toBe(`the body nests deeper than ${MAX_NESTING} levels`);
  });

  it.each(['', '"', '\\', '\\"', '\\\\', '"\\"'])('does not count brackets in a string that begins with %j', (start) => {
    const text = JSON.stringify([start + '[{'.repeat(500), 'end']);
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});
