/** A Salt master, its REST service and minions, all on this machine, each with folders of its own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Bench } from '../bench'
import { runProgram } from './program'
import { openSite, type Site } from './site'
import { toolProgram } from './tools'

// A start takes some seconds of a core: more at once take longer than one after another.
const STARTED_AT_ONCE = 4
const START_WITHIN_MS = 240_000
const READY = 'Minion is ready to receive requests!'

export interface SaltFleet {
  site: Site
  /** Names of the minions in their order. */
  minions: string[]
  /** Folder of the master's configuration. */
  config: string
  /** Of the REST service. */
  url: string
  /** SIGKILL for the master and all of its workers; it is started again at once. */
  killMaster(): void
  close(): Promise<void>
}

export async function startSalt(bench: Bench, hosts: number): Promise<SaltFleet> {
  const site = await openSite((line) => bench.say(`! ${line.split('\n')[0]}`))
  try {
    const config = await writeMaster(site)
    const start = (name: string, program: string, folder: string, args: string[] = []) => ({
      name,
      command: toolProgram('salt', program),
      args: ['-c', folder, ...args],
      isReady: () => Promise.resolve(readLog(folder).includes(READY)),
    })
    const [master] = site.start({
      ...start('master', 'salt-master', config),
      isReady: () => Promise.resolve(existsSync(path.join(config, 's/master_event_pub.ipc'))),
    })
    await master?.waitReady(START_WITHIN_MS)
    const minions = Array.from({ length: hosts }, (_, n) => `host-${n + 1}`)
    for (let at = 0; at < hosts; at += STARTED_AT_ONCE) {
      const names = minions.slice(at, at + STARTED_AT_ONCE)
      const folders = await Promise.all(names.map((name) => writeMinion(site, name)))
      // Without the parent that only starts them again, for we do that.
      const specs = names.map((name, n) =>
        start(name, 'salt-minion', folders[n] ?? '', ['--disable-keepalive']),
      )
      await Promise.all(site.start(...specs).map((child) => child.waitReady(START_WITHIN_MS)))
      bench.say(`${at + names.length} of ${hosts} minions are ready`)
    }
    const url = `http://127.0.0.1:${await site.port('api')}`
    const [api] = site.start({
      ...start('api', 'salt-api', config),
      isReady: async () => (await fetch(url)).ok,
    })
    await api?.waitReady(START_WITHIN_MS)
    const killMaster = () => process.kill(-(master?.pid ?? Number.NaN), 'SIGKILL')
    return { site, minions, config, url, killMaster, close: () => site.close() }
  } catch (error) {
    await site.close()
    throw error
  }
}

/** What is as it is installed, but for places, ports and keys, is left as it is. */
async function writeMaster(site: Site): Promise<string> {
  const folder = path.join(site.folder, 'master')
  return writeConfig(folder, 'master', {
    interface: '127.0.0.1',
    publish_port: await site.port('publish'),
    ret_port: await site.port('return'),
    auto_accept: true,
    external_auth: { sharedsecret: { bench: ['.*'] } },
    sharedsecret: 'bench',
    netapi_enable_clients: ['local'],
    rest_cherrypy: { host: '127.0.0.1', port: await site.port('api'), disable_ssl: true },
  })
}

async function writeMinion(site: Site, name: string): Promise<string> {
  return writeConfig(path.join(site.folder, name), 'minion', {
    id: name,
    master: '127.0.0.1',
    publish_port: await site.port('publish'),
    master_port: await site.port('return'),
    // Which take long at the start and say nothing here.
    enable_fqdns_grains: false,
    enable_gpu_grains: false,
  })
}

function writeConfig(folder: string, name: 'master' | 'minion', settings: object): string {
  for (const part of ['pki', 'cache', 's'])
    mkdirSync(path.join(folder, part), { recursive: true, mode: 0o700 })
  const places = {
    root_dir: folder,
    pki_dir: path.join(folder, 'pki'),
    cachedir: path.join(folder, 'cache'),
    sock_dir: path.join(folder, 's'),
    pidfile: path.join(folder, 'pid'),
    log_file: path.join(folder, 'log'),
    log_level_logfile: 'info',
    // Made once for each minion; the longer ones take seconds of a core.
    keysize: 2048,
  }
  // JSON is YAML.
  writeFileSync(path.join(folder, name), JSON.stringify({ ...places, ...settings }, null, 2))
  return folder
}

function readLog(folder: string): string {
  const file = path.join(folder, 'log')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Results of all jobs that the master keeps, of those minions that have the word in theirs. */
export async function keptResults({ site, config }: SaltFleet, word: string): Promise<number> {
  const run = async (...args: string[]) =>
    (
      await runProgram(site, toolProgram('salt', 'salt-run'), ['-c', config, '--out=json', ...args])
    ).stdout.toString()
  const jobs = Object.entries(
    JSON.parse(await run('jobs.list_jobs')) as Record<string, { Arguments?: unknown[] }>,
  )
  const found = jobs
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .findLast(([, job]) => JSON.stringify(job.Arguments ?? []).includes(word))
  if (!found) return 0
  const results = JSON.parse(await run('jobs.lookup_jid', found[0])) as Record<string, unknown>
  return Object.values(results).filter((result) => String(result).includes(word)).length
}
