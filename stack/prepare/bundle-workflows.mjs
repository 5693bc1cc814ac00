/** Writes dist/workflow-bundle.js. Temporal's bundler refuses Node modules, so this is a fence around determinism too. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'
import { root } from './root.mjs'

const { code } = await bundleWorkflowCode({
  workflowsPath: join(root, 'workflows/index.ts'),
  logger: new DefaultLogger('WARN'),
})
mkdirSync(join(root, 'dist'), { recursive: true })
const aside = join(root, `dist/workflow-bundle.js.${process.pid}`)
writeFileSync(aside, code)
renameSync(aside, join(root, 'dist/workflow-bundle.js'))
