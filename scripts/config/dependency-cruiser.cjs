/**
 * The import rule of the folders table in README.md, as data: `folder -> what it may import of ours`.
 * An adapter folder (`backends/local`, `stores/sqlite`, ...) may also import itself, never a sibling.
 */
const layers = {
  task: ['task'],
  shape: ['task', 'shape'],
  ports: ['task', 'ports'],
  engine: ['task', 'ports', 'engine'],
  api: ['task', 'shape', 'ports', 'engine', 'api'],
  telemetry: ['task', 'ports', 'engine', 'telemetry'],
  operator: ['task', 'shape', 'ports', 'engine', 'operator'],
  config: ['task', 'shape', 'ports', 'config'],
  credentials: ['task', 'ports', 'credentials'],
};
const adapters = {
  backends: ['task', 'ports', 'backends/shared'],
  stores: ['task', 'ports'],
  storage: ['task', 'ports', 'storage/shared'],
  auth: ['task', 'ports', 'auth/shared'],
};
const any = (folders) => `^src/(${folders.join('|')})/`;

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(layers).map(([folder, allowed]) => ({
      name: `${folder}-imports-only-${allowed.join('-')}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: any(allowed) },
    })),
    ...Object.entries(adapters).map(([folder, allowed]) => ({
      name: `${folder}-adapters-import-only-contracts`,
      severity: 'error',
      from: { path: `^src/${folder}/([^/]+)/` },
      to: { path: '^src/', pathNot: [any(allowed), `^src/${folder}/$1/`] },
    })),
    {
      name: 'the-model-is-pure',
      comment: 'src/task: no Nest, no input or output, no clock, no randomness',
      severity: 'error',
      from: { path: '^src/task/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?path(/posix)?$' },
    },
    {
      name: 'the-model-knows-no-framework',
      severity: 'error',
      from: { path: '^src/(task|ports)/' },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'only-config-knows-convict',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/config/' },
      to: { path: 'node_modules/convict/' },
    },
    {
      name: 'only-the-list-names-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/adapters\\.ts$', '^src/(backends|stores|storage|auth)/'] },
      to: { path: '^src/(backends/(?!shared/)|stores/|storage/|auth/)' },
    },
    {
      name: 'nothing-imports-a-composition-root',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main\\.ts$' },
      to: { path: '^src/([^/]+\\.main|gateway|main)\\.ts$' },
    },
    { name: 'src-knows-no-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench|scripts)/' } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'src-uses-only-dependencies', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'] } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|data|work)/' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
      conditionNames: ['require', 'node', 'import', 'default'],
    },
  },
};
