#!/usr/bin/env node
/** Starts the compiled CLI, or says how to get it. */
const { existsSync } = require('node:fs')
const { join } = require('node:path')

const compiled = join(__dirname, '../../dist/cli/main.js')
if (existsSync(compiled)) {
  require(compiled)
} else {
  process.stderr.write('drover is not built yet: run `npm run build`\n')
  process.exitCode = 2
}
