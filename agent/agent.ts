/** The agent as a whole: opens identity and journal, goes on with what it finds, and stays connected. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../base/logger.js'
import { ownNames } from '../base/normalise.js'
import { SecretFolders } from './capability/secret-files.js'
import type { Config } from './config.js'
import { Connection } from './connection.js'
import { readFacts } from './facts.js'
import { HealthReport } from './health.js'
import { HostKeys } from './identity/host-keys.js'
import { joinFleet } from './identity/join.js'
import { type Identity, readIdentity } from './identity/store.js'
import { Journal } from './journal/journal.js'
import { Quota } from './journal/quota.js'
import { PolicyFile } from './policy.js'
import { findProgram, findSwitchTools, STANDARD_PATH } from './process/account.js'
import { findCgroupRoot } from './process/cgroup.js'
import { Cgroups } from './process/cgroups.js'
import { protectSelf } from './process/oom-score.js'
import { ServerClock } from './session/server-clock.js'
import { makeTools } from './capability/tools.js'
import { lockState, makeScriptsRoot, makeStateFolders } from './state-folder.js'
import type { AcceptHost } from './task/accept.js'
import { recoverTasks } from './task/recover-tasks.js'
import { Tasks } from './task/tasks.js'
import { Upgrades } from './upgrade/upgrades.js'
import { Versions } from './upgrade/versions.js'
import { AGENT_VERSION } from './version.js'

const log = createLogger('agent')

export interface StartInput {
  config: Config
  /** Asked only when this host has no identity yet. */
  joinToken(): string
  /** Ends joining, which may take for ever. */
  signal: AbortSignal
  /** Ends this process well, for its supervisor to start another version. */
  restart(): void
}

/**
 * Starts everything. Rejects with JoinRefused when the control plane will not have this host, and when the state
 * folder cannot be used. Disposing it stops watching: scripts run on, and the next start finds them.
 */
export async function startAgent(input: StartInput): Promise<AsyncDisposable> {
  const { config } = input
  protectSelf()
  const bootId = (await readFile(config.bootIdFile, 'utf8')).trim()
  await makeStateFolders(config.state)
  const unlock = await lockState(config.state, bootId)
  try {
    return await startLocked(input, bootId, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

async function startLocked(
  input: StartInput,
  bootId: string,
  unlock: () => Promise<void>,
): Promise<AsyncDisposable> {
  const { config } = input
  const policy = new PolicyFile(config.policyFile)
  const identity = await readOrJoin(input, policy)
  const journal = await Journal.open(join(config.state, 'spool'), bootId)
  const { tasks, quota, connection, upgrades } = await build({
    config,
    identity,
    journal,
    policy,
    restart: () => input.restart(),
  })
  const health = new HealthReport(config.state, () => connection.health())
  await health.start(config.healthListen)
  await recoverTasks(tasks, journal)
  await tasks.tidy()
  await upgrades.recover()
  quota.start()
  connection.start()
  log.info({ hostId: identity.hostId, journalId: journal.id, version: AGENT_VERSION }, 'agent is up')
  return {
    async [Symbol.asyncDispose]() {
      await connection.stop()
      quota.stop()
      await tasks.stop()
      await health.stop()
      await unlock()
    },
  }
}

interface Parts {
  config: Config
  identity: Identity
  journal: Journal
  policy: PolicyFile
  restart(): void
}

interface Built {
  tasks: Tasks
  quota: Quota
  connection: Connection
  upgrades: Upgrades
}

async function build(parts: Parts): Promise<Built> {
  const { config, identity, journal, policy } = parts
  const clock = new ServerClock()
  const isStopped = () => existsSync(config.stopFile)
  const quota: Quota = new Quota({
    journal,
    quotaBytes: config.spoolQuotaBytes,
    serverNowMs: () => (clock.known ? clock.now() : undefined),
    isLive: (id) => tasks.open.has(id),
  })
  const scriptsRoot = await makeScriptsRoot(config.state, journal.id)
  await makeTools(scriptsRoot)
  const cgroupRoot = config.cgroups ? findCgroupRoot() : undefined
  const host: AcceptHost = {
    journal,
    hostId: identity.hostId,
    names: ownNames([config.name, hostname()]),
    keys: new HostKeys(identity),
    scriptsRoot,
    secretFolders: new SecretFolders(journal.id, scriptsRoot),
    cgroups: cgroupRoot && new Cgroups(cgroupRoot, journal.id),
    tools: findSwitchTools(),
    setsid: findProgram('setsid', STANDARD_PATH),
    searchPath: config.searchPath,
    program: config.program,
    marker: config.marker,
    rebootCommand: config.rebootCommand,
    maxTasks: config.maxTasks,
    minFreePercent: config.minFreePercent,
    policy: () => policy.read(),
    serverNowMs: () => clock.now(),
    isStopped,
    isSpoolFull: () => quota.isFull(),
    makeRoom: () => quota.makeRoom(),
    fetchScript: (sha256, bytes) => connection.fetchScript(sha256, bytes),
  }
  const tasks = new Tasks(host, identity.signingKeys)
  const upgrades = new Upgrades({
    ...host,
    keys: identity.signingKeys,
    versions: new Versions(config.state),
    supervised: config.supervised,
    fetchBundle: (sha256, bytes) => connection.fetchBundle(sha256, bytes),
    restart: () => parts.restart(),
  })
  const connection: Connection = new Connection({ ...parts, tasks, clock, quota, isStopped, upgrades })
  return { tasks, quota, connection, upgrades }
}

async function readOrJoin(input: StartInput, policy: PolicyFile): Promise<Identity> {
  const { config } = input
  const folder = join(config.state, 'identity')
  const known = await readIdentity(folder)
  if (known) return known
  await joinFleet({
    folder,
    gateways: config.gateways,
    token: input.joinToken(),
    name: config.name,
    facts: readFacts(config, policy.read()),
    signal: input.signal,
  })
  const identity = await readIdentity(folder)
  if (!identity) throw new Error(`the identity in ${folder} cannot be read back`)
  return identity
}
