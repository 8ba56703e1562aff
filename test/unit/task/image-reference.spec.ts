import { parseImageReference } from '../../../src/task/image-reference';

const SHA = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('an image reference', () => {
  it.each([
    ['ubuntu', { name: 'ubuntu' }],
    ['ubuntu:20.04', { name: 'ubuntu', tag: '20.04' }],
    ['quay.io/aptible/ubuntu', { name: 'quay.io/aptible/ubuntu' }],
    ['gcr.io/my-org/my-image', { name: 'gcr.io/my-org/my-image' }],
    ['myregistryhost:5000/fedora/httpd:version1.0', { name: 'myregistryhost:5000/fedora/httpd', tag: 'version1.0' }],
    ['localhost/x', { name: 'localhost/x' }],
    ['REGISTRY.example.org/a/b_c/d__e/f--g.h', { name: 'REGISTRY.example.org/a/b_c/d__e/f--g.h' }],
    ['[::1]:5000/x', { name: '[::1]:5000/x' }],
    [`alpine@${SHA}`, { name: 'alpine', digest: SHA }],
    [`alpine:3@${SHA}`, { name: 'alpine', tag: '3', digest: SHA }],
    [`x:${'t'.repeat(128)}`, { name: 'x', tag: 't'.repeat(128) }],
  ])('%j is taken apart', (image, parts) => {
    expect(parseImageReference(image)).toEqual({ kind: 'registry', reference: image, ...parts });
    expect(parseImageReference(`docker://${image}`)).toEqual({ kind: 'registry', reference: image, ...parts });
  });

  it.each([
    '',
    ' ',
    '-v',
    '--privileged',
    '--privileged -v /:/h alpine',
    '$(x)',
    '`id`',
    'alpine\n',
    '\nalpine',
    'alpine latest',
    'alpine;id',
    "al'pine",
    'alpine\0',
    'Alpine',
    'a/B',
    'alpine:',
    'alpine:-x',
    `x:${'t'.repeat(129)}`,
    'alpine@',
    'alpine@sha256:',
    'alpine@sha256:abc',
    'a..b',
    'a__',
    '_a',
    'a/',
    'a//b',
    '.a',
    '../a',
    './a.sif',
    'a.sif/../b',
    'x'.repeat(256),
    'docker://',
    'docker://--privileged',
    'docker://docker://alpine',
    'oras://a/b',
    'library://a/b',
    'http://host/x',
    'älpine',
    'ａlpine',
    `${'a-'.repeat(511)}!`,
    `${'a.'.repeat(511)}!`,
  ])('%j is none', (image) => expect(parseImageReference(image)).toBeUndefined());

  it.each([
    ['/images/tool.sif', '/images/tool.sif'],
    ['file:///images/tool.tar.gz', '/images/tool.tar.gz'],
    ['/images/../images//a b.sif', '/images/a b.sif'],
  ])('%j names a file on the host, normalised', (image, path) => expect(parseImageReference(image)).toEqual({ kind: 'file', path }));

  it.each([
    '/',
    'file:///',
    '/..',
    '/../etc/x.sif',
    '/a\n.sif',
    '/a\0.sif',
    '/a\x1b.sif',
    'file://host/x.sif',
    'file://x.sif',
    'docker:///x.sif',
  ])('%j is no file either', (image) => expect(parseImageReference(image)).toBeUndefined());
});
