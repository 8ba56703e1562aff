// Puts what the server loads at its start into two files, dist/main.js and dist/gateway.js, and the stager, which is installed alone on
// workers, into dist/stager.main.js: finding, reading and compiling a thousand
// modules, many of them never used, takes most of a start. The compiler's other files of dist/ stay beside them, for the worker, the
// store's own command and the bench.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { transformSync } from '@swc/core';
import { build, stop } from 'esbuild';
import { root } from './steps.mjs';

const source = join(root, 'src');
/** Loaded from node_modules, and only when the settings ask for it. */
const WHEN_ASKED = ['@aws-sdk/client-s3', 'basic-ftp', 'mongoose', 'amqplib', 'bcrypt', 'jose', 'openid-client'];
/** Packages that Nest loads only for features that are not used here; they are not installed. */
const NOT_INSTALLED = ['@nestjs/microservices', '@nestjs/websockets', '@nestjs/platform-express', '@fastify/multipart', '@fastify/view'];

/** The bundles, and the adapters that each starts itself: of the others only the pages of settings are in it. */
const BUNDLES = [
  { entry: 'main.ts', starts: [] },
  { entry: 'gateway.ts', starts: ['auth', 'backends', 'storage', 'stores'] },
  { entry: 'stager.main.ts', starts: ['storage'] },
];

/** Writes the bundles into `folder`. Throws when something cannot be resolved. Ends the bundler's process: quickstart goes on for long. */
export async function bundle(folder) {
  await Promise.all(BUNDLES.map((one) => bundleOne(folder, one))).finally(stop);
}

function bundleOne(folder, { entry, starts }) {
  return build({
    entryPoints: [join(source, entry)],
    absWorkingDir: root,
    outdir: folder,
    allowOverwrite: true,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // ES modules where a package has them: of those, what is not used is left out.
    mainFields: ['es2015', 'module', 'main'],
    external: [...WHEN_ASKED, ...NOT_INSTALLED],
    // import() of a file makes Node parse the whole of it before it compiles it.
    supported: { 'dynamic-import': false },
    // For `node --enable-source-maps`: lines of src/ in stack traces.
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'eof',
    // Packages that look for others at run time find them from where the bundle lies.
    banner: { js: "const __dist = __dirname, __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': '__bundleUrl' },
    plugins: [{ name: 'modules', setup: (plugin) => modules(plugin, starts) }],
    logLevel: 'silent',
  });
}

/** Ours go through what the tests go through: esbuild does not write the metadata of decorators. */
function modules(plugin, starts) {
  const settings = JSON.parse(readFileSync(join(root, '.swcrc'), 'utf8'));
  const options = { ...settings, module: { type: 'es6' }, sourceMaps: 'inline', swcrc: false };
  // Nest's ValidationPipe, which is not used here, would keep all of both: validators, telephone numbers of the world and more.
  plugin.onResolve({ filter: /^class-(validator|transformer)$/ }, ({ path, kind }) =>
    kind === 'dynamic-import' ? { path, external: true } : undefined,
  );
  const isStarted = (importer) => starts.includes(relative(source, importer).split('/', 1).join(''));
  plugin.onResolve({ filter: /^\.\// }, ({ path, kind, importer }) =>
    kind === 'dynamic-import' && importer.endsWith('.adapter.ts') && !isStarted(importer) ? { path, external: true } : undefined,
  );
  // Bundles, and a command, of their own: main.js loads what it needs.
  plugin.onResolve({ filter: /^\.\/(gateway|store\.main|stager\.main|hash-password\.main)\.js$/ }, ({ path }) => ({
    path,
    external: true,
  }));
  plugin.onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const text = readFileSync(path, 'utf8');
    const { code } = transformSync(text, { ...options, filename: path });
    if (!/\b__dirname\b/.test(text)) return { contents: code, loader: 'js' };
    // The directory that the file has in dist/, not that of the bundle.
    const own = JSON.stringify(relative(source, dirname(path)));
    const [firstLine = ''] = /^#!.*\n/.exec(code) ?? [];
    const directory = `import { join as joinOwn } from 'node:path'; const __dirname = joinOwn(__dist, ${own}); `;
    return { contents: firstLine + directory + code.slice(firstLine.length), loader: 'js' };
  });
}
