import { basicCredentials } from '../../../../src/auth/basic/credentials';
import { Unauthenticated } from '../../../../src/ports/errors';

const encoded = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('the credentials of Basic', () => {
  it.each([
    ['ann:secret', 'ann', 'secret'],
    ['ann:a:b::c', 'ann', 'a:b::c'],
    ['ann:', 'ann', ''],
    [':secret', '', 'secret'],
    ['jürgen:pässwörd 🔑', 'jürgen', 'pässwörd 🔑'],
    ['\ufeffann:x', '\ufeffann', 'x'],
    [`ann:${'x'.repeat(10_000)}`, 'ann', 'x'.repeat(10_000)],
  ])('%j are parted at the first colon, as UTF-8', (text, name, password) => {
    expect(basicCredentials(encoded(text))).toEqual({ name, password });
  });

  it('tells é in one character from é in two', () => {
    expect(basicCredentials(encoded('e\u0301:x'))?.name).not.toBe(basicCredentials(encoded('\u00e9:x'))?.name);
  });

  it('takes the name of the scheme in any case, with several spaces', () => {
    for (const scheme of ['basic ', 'BASIC   ']) expect(basicCredentials(encoded('a:b').replace('Basic ', scheme))?.name).toBe('a');
  });

  it.each([undefined, '', 'Bearer x', 'Basicx YTpi', 'Digest a', ['Basic YTpi']])('leaves %j to others', (header) => {
    expect(basicCredentials(header)).toBeUndefined();
  });

  it.each([
    ['Basic', 'no colon'],
    ['Basic ', 'no colon'],
    [encoded('ann'), 'no colon'],
    [encoded('ann:a\0b'), 'a control character'],
    [encoded('ann:a\nb'), 'a control character'],
    [encoded('an\x7fn:b'), 'a control character'],
    [encoded(Buffer.from('jürgen:x', 'latin1')), 'not UTF-8'],
    ['Basic YTp!i', 'not Base64'],
    ['Basic YT pi', 'not Base64'],
    ['Basic YTpi, Basic YTpi', 'not Base64'],
    ['Basic YTpi_-', 'not Base64'],
  ])('refuses %j', (header, words) => {
    expect(() => basicCredentials(header)).toThrow(Unauthenticated);
    expect(() => basicCredentials(header)).toThrow(words);
  });
});
