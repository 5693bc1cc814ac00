/** Taking an order on: every check in its order, then the files, then the intent. Nothing is promised before that is on disk. */
import { statfsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Dispatch, type DispatchOrder, sha256 } from '../../proto/index.js'
import { newScriptFolder, planScript, type ScriptPlan, stageScript } from '../capability/run-script.js'
import { removeSecrets } from '../capability/secret-files.js'
import { SqlRunnerFault } from '../capability/sql-runner.js'
import { TOOLS } from '../capability/tools.js'
import { checkVariables, variablesOf } from '../capability/variables.js'
import { hasErrno } from '../files.js'
import type { Intent } from '../journal/records.js'
import type { TaskFolder } from '../journal/task-folder.js'
import { uptimeMs } from '../process/proc.js'
import type { TaskHost } from './host.js'
import { checkOrder, decodeSpec } from './order.js'
import { isRefusal, type Refusal, refuse } from './refusal.js'
import { openSealed, type SecretValues } from './secrets.js'

// A script is held in memory while its hash is taken.
const MAX_SCRIPT_BYTES = 16 << 20

export interface AcceptHost extends TaskHost {
  minFreePercent: number
  /** Whether the stop file lies there. */
  isStopped: () => boolean
  /** Whether the journal may not grow any more. */
  isSpoolFull(): Promise<boolean>
  /** Frees what the journal need not hold; false if nothing was tried. */
  makeRoom(): Promise<boolean>
  /** Gets a script that was too large for the dispatch; rejects when it cannot be had. */
  fetchScript(sha256: Buffer, bytes: number): Promise<Buffer>
}

/** An intent that is on disk, or why there is none. */
export async function acceptDispatch(
  dispatch: Dispatch,
  order: DispatchOrder,
  at: { folder: TaskFolder; host: AcceptHost },
): Promise<Intent | Refusal> {
  const { folder, host } = at
  const wrong = checkOrder(dispatch, order, {
    hostId: host.hostId,
    journalId: host.journal.id,
    serverNowMs: host.serverNowMs(),
  })
  if (wrong) return wrong
  if (host.isStopped()) {
    return refuse('stopped_by_file', 'a stop file on the host refuses all new work; remove it there to go on')
  }
  const task = decodeSpec(dispatch.spec)?.task
  if (!task) return refuse('capability_missing', 'this agent does not know that kind of task; upgrade it')
  const plan = await planScript(task.value, {
    ...host,
    policy: host.policy(),
    isReboot: task.$case === 'reboot',
  })
  if (isRefusal(plan)) return plan
  const secrets = openSealed(dispatch, order, task, host.keys)
  if (secrets && isRefusal(secrets)) return secrets
  const noRoom = await checkRoom(host)
  if (noRoom) return noRoom
  const content = await readContent(dispatch, {
    digest: task.value.scriptSha256,
    bytes: task.value.scriptBytes,
    host,
  })
  if (isRefusal(content)) return content
  return writeIntent({ dispatch, order, plan, content, secrets, folder, host })
}

async function checkRoom(host: AcceptHost): Promise<Refusal | undefined> {
  if (await host.isSpoolFull()) {
    return refuse(
      'spool_full',
      "the agent's journal is full; settle or retire old runs, or raise its quota on the host",
    )
  }
  const isEnough = () => freePercent(host.journal.folder) >= host.minFreePercent
  if (isEnough() || ((await host.makeRoom()) && isEnough())) return undefined
  return diskFull(`only ${freePercent(host.journal.folder).toFixed(1)} % is free`)
}

function freePercent(folder: string): number {
  const disk = statfsSync(folder)
  return disk.blocks === 0 ? 100 : (disk.bavail / disk.blocks) * 100
}

async function readContent(
  dispatch: Dispatch,
  script: { digest: Buffer; bytes: number; host: AcceptHost },
): Promise<Buffer | Refusal> {
  let content = dispatch.content
  if (script.bytes > MAX_SCRIPT_BYTES) {
    return refuse(
      'script_unavailable',
      `the script is larger than ${MAX_SCRIPT_BYTES} bytes; send it as a file`,
    )
  }
  if (content.length === 0 && script.bytes > 0) {
    try {
      content = await script.host.fetchScript(script.digest, script.bytes)
    } catch (error) {
      return refuse(
        'script_unavailable',
        `the script's text could not be fetched: ${(error as Error).message}`,
      )
    }
  }
  if (sha256(content).equals(script.digest)) return content
  return refuse('script_unavailable', "the script's text is not the one that was signed")
}

async function writeIntent(input: {
  dispatch: Dispatch
  order: DispatchOrder
  plan: ScriptPlan
  content: Buffer
  secrets: SecretValues | undefined
  folder: TaskFolder
  host: AcceptHost
}): Promise<Intent | Refusal> {
  const { dispatch, order, plan, content, folder, host } = input
  const task = decodeSpec(dispatch.spec)?.task
  if (!task) return refuse('capability_missing', 'this agent does not know that kind of task; upgrade it')
  const variables = variablesOf(task.value, order)
  const invalid = checkVariables(variables)
  if (invalid) return refuse('task_invalid', invalid)
  const secrets = input.secrets && { folder: host.secretFolders.next(), values: input.secrets }
  const intent: Intent = {
    version: 1,
    order: dispatch.order.toString('base64'),
    signature: dispatch.signature.toString('base64'),
    keyId: dispatch.keyId,
    spec: dispatch.spec.toString('base64'),
    bootId: host.journal.bootId,
    acceptedAtMs: Date.now(),
    acceptedUptimeMs: uptimeMs(),
    scriptFolder: newScriptFolder(host.scriptsRoot),
    commandTakesWords: true,
    // Sealed still: what is on the disk opens only with the key of this host.
    ...(secrets ? { secrets: dispatch.secrets.toString('base64'), secretsFolder: secrets.folder } : {}),
  }
  try {
    const { captures } = await stageScript(plan, task.value, {
      folder: intent.scriptFolder,
      content,
      variables,
      secrets,
      tools: join(host.scriptsRoot, TOOLS),
      program: host.program,
    })
    if (captures) intent.captures = true
    await folder.create(intent, host.journal.pipes)
    await host.journal.advance(order.dispatchId.toString('hex')).catch(async (error: unknown) => {
      await folder.remove()
      throw error
    })
    return intent
  } catch (error) {
    await rm(intent.scriptFolder, { recursive: true, force: true })
    removeSecrets(intent.secretsFolder)
    if (error instanceof SqlRunnerFault) return refuse('sql_runner_missing', error.message)
    if (hasErrno(error, 'ENOSPC', 'EDQUOT', 'EROFS', 'EIO')) return diskFull((error as Error).message)
    throw error
  }
}

function diskFull(detail: string): Refusal {
  return refuse(
    'agent_disk_full',
    `the host's disk has no room for the agent's journal (${detail}); free some and retry`,
  )
}
