#!/usr/bin/env node
/** Starts the compiled CLI, or says how to get it. */
const fs = require('node:fs')
const path = require('node:path')

const compiled = path.join(__dirname, '../../dist/cli/main.js')
if (fs.existsSync(compiled)) {
  require(compiled)
} else {
  process.stderr.write('drover is not built yet: run `npm run build`\n')
  process.exitCode = 2
}
