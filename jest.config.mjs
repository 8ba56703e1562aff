import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { jsc, module } = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));

/** A project for each suite: `npm test -- --selectProjects unit`. */
const project = (suite) => ({
  displayName: suite,
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc, module, swcrc: false }] },
  resolver: '<rootDir>/scripts/config/jest-resolver.cjs',
  testMatch: [`<rootDir>/test/${suite}/**/*.spec.ts`],
  modulePathIgnorePatterns: ['<rootDir>/dist'],
});

export const SUITES = ['unit', 'contract', 'e2e', 'system'];

export default {
  projects: SUITES.map(project),
  maxWorkers: 2,
  testTimeout: 120_000,
  testSequencer: fileURLToPath(new URL('scripts/config/longest-first.cjs', import.meta.url)),
};
