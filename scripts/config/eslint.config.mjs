import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const noEnvironment = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Only src/config reads the environment; everything else receives a slice of the settings.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'coverage/**', 'data/**', 'work/**', 'node_modules/**'] },
  { linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: process.cwd() } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      // An async method of a port stays async where an adapter happens to have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // Node's own ExecFileException is no Error by its type.
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'no-duplicate-imports': 'error',
      'max-lines': ['error', { max: 400 }],
      'no-control-regex': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/config/**'],
    rules: { 'no-restricted-syntax': ['error', noEnvironment], 'no-console': 'error' },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // What JSON.parse and fetch give is `any` by their own types.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // `expect(object.method)` takes a method as a thing to look at, and hostile numbers are written as they come.
      '@typescript-eslint/unbound-method': 'off',
      'no-loss-of-precision': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: {
      ecmaVersion: 2024,
      globals: Object.fromEntries(
        [
          'process console Buffer URL URLSearchParams fetch setTimeout clearTimeout setInterval clearInterval setImmediate',
          'AbortController AbortSignal performance structuredClone TextDecoder TextEncoder module require __dirname',
        ]
          .join(' ')
          .split(' ')
          .map((name) => [name, 'readonly']),
      ),
    },
  },
);
