/** Generated code: from the wire protocol, from the API. Written in place, or compared with what is committed. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { root } from './root.mjs'
import { mustRun } from './run.mjs'

const openapi = 'docs/reference/openapi.json'
const schema = 'sdk/generated/schema.ts'

/** Writes every generated file below `into`; a piece without its input yet is left out. */
async function generateInto(into) {
  // buf looks for its plugin on the PATH, which only npm has set so.
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}` }
  await mustRun('node_modules/.bin/buf', ['generate', '-o', into], { env })
  if (!existsSync(join(root, 'api/openapi-main.ts'))) return
  // Not everything: what is to be generated may be what the rest needs to compile.
  await mustRun(process.execPath, ['node_modules/@typescript/native/bin/tsc', '-b', 'api'])
  const { stdout } = await mustRun(process.execPath, ['dist/api/openapi-main.js'])
  for (const file of [openapi, schema]) mkdirSync(dirname(join(into, file)), { recursive: true })
  writeFileSync(join(into, openapi), stdout)
  await mustRun('node_modules/.bin/openapi-typescript', [join(into, openapi), '-o', join(into, schema)])
}

/** Regenerates in place. */
export function generate() {
  return generateInto(root)
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** The generated files in the tree that differ from what generating gives; empty when all is well. */
export async function staleFiles() {
  const into = mkdtempSync(join(tmpdir(), 'drover-generate-'))
  try {
    await generateInto(into)
    const made = filesBelow(into)
    const kept = filesBelow(join(root, 'proto/generated')).map((name) => join('proto/generated', name))
    return [...new Set([...made, ...kept])].filter(
      (name) => read(join(into, name)) !== read(join(root, name)),
    )
  } finally {
    rmSync(into, { recursive: true, force: true })
  }
}
