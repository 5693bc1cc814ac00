/** One jest for every suite; DROVER_SUITE picks which tests run (see stack/prepare.mjs). */
const suites = {
  unit: {
    testMatch: ['**/*.test.ts'],
    testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/(?!bench/)'],
    testTimeout: 20_000,
  },
  replay: { testMatch: ['<rootDir>/test/replay/**/*.test.ts'], testTimeout: 120_000 },
  integration: { testMatch: ['<rootDir>/test/integration/**/*.test.ts'], testTimeout: 120_000 },
  e2e: { testMatch: ['<rootDir>/test/e2e/**/*.test.ts'], testTimeout: 300_000 },
  scenarios: { testMatch: ['<rootDir>/test/scenarios/**/*.test.ts'], testTimeout: 180_000 },
  chaos: { testMatch: ['<rootDir>/test/chaos/**/*.test.ts'], testTimeout: 1_200_000 },
}
const suite = process.env.DROVER_SUITE ?? 'unit'
// ESM-only packages that jest (without require(esm) on Node 20) must be given as CommonJS.
const esm = ['openapi-fetch', 'openapi-typescript-helpers', '@marcbachmann/cel-js'].join('|')

module.exports = {
  testEnvironment: 'node',
  rootDir: __dirname,
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  transform: {
    '^.+\\.(ts|mjs|js)$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true } },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esm})/)`],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  ...suites[suite],
}
