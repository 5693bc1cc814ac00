/** Salt by its three faces: the command line, the LocalClient of a long-lived process, salt-api. */
import path from 'node:path'
import { pause } from '../../helpers/api'
import { type Caller, countOf, type Fleet, type Interrupted, type Peer } from './caller'
import { startConversation } from './conversation'
import { floodBytesIn } from './flood'
import { type Program, startProgram } from './program'
import { keptResults, type SaltFleet, startSalt } from './salt-fleet'
import { peersFolder, toolProgram } from './tools'

const CLI_TIMEOUT_S = 60
const BY_HAND_WITHIN_MS = 120_000

export const salt: Peer = {
  id: 'salt',
  must: 1,
  aim: 10,
  async start(bench, hosts): Promise<Fleet> {
    const fleet = await startSalt(bench, hosts)
    const library = localClient(fleet)
    return {
      callers: [commandLine(fleet), library, await restService(fleet)],
      close: async () => {
        await library.close?.()
        await fleet.close()
      },
    }
  },
}

/** As a person calls it; `--out=txt` prints each result as soon as it comes, as the default does, but is easy to count. */
function commandLine(fleet: SaltFleet): Caller {
  const call = (hosts: number, script: string): Program =>
    startProgram(fleet.site, toolProgram('salt', 'salt'), [
      '-c',
      fleet.config,
      '-t',
      String(CLI_TIMEOUT_S),
      '--out=txt',
      ...(hosts === fleet.minions.length ? ['*'] : ['-L', fleet.minions.slice(0, hosts).join(',')]),
      'cmd.run',
      script,
    ])
  return {
    name: 'Salt CLI',
    echo: async (hosts) => countOf((await call(hosts, 'echo hi').ended).stdout, ': hi\n'),
    async firstSight(script, text) {
      const from = performance.now()
      const program = call(1, script)
      const at = await program.sees(`: ${text}`)
      await program.ended
      return at - from
    },
    async flood(script) {
      const { stdout, excerpt } = await call(1, script).ended
      return { bytes: floodBytesIn(stdout), instead: excerpt.slice(0, 200) }
    },
    async interrupted({ hosts, script, word, afterMs }) {
      const program = call(hosts, script)
      await pause(afterMs)
      fleet.killMaster()
      const { stdout, excerpt, code } = await program.ended
      const told = countOf(stdout, `: ${word}\n`)
      const saw = `the CLI ended with ${code}: ${JSON.stringify(excerpt.slice(-200))}`
      return { killed: 'master', told, ...(await lookForResults(fleet, { hosts, word, saw })) }
    },
  }
}

/** In the master's cache of jobs, until all are there. */
async function lookForResults(
  fleet: SaltFleet,
  { hosts, word, saw }: { hosts: number; word: string; saw: string },
): Promise<Pick<Interrupted, 'byHand' | 'saw'>> {
  const from = Date.now()
  let byHand = 0
  for (; byHand < hosts && Date.now() - from < BY_HAND_WITHIN_MS; await pause(1_000))
    byHand = await keptResults(fleet, word)
  const seconds = ((Date.now() - from) / 1_000).toFixed(0)
  return { byHand, saw: `${saw}; by hand ${byHand} results were found in the job cache ${seconds} s later` }
}

function localClient(fleet: SaltFleet): Caller {
  const begin = () =>
    startConversation(fleet.site, toolProgram('salt', 'python'), [
      path.join(peersFolder(), 'local_client.py'),
      path.join(fleet.config, 'master'),
    ])
  let talk = begin()
  const ask = (hosts: number, script: string) =>
    talk.ask<Record<string, unknown>>({ hosts: fleet.minions.slice(0, hosts), script })
  return {
    name: 'Salt LocalClient',
    echo: async (hosts) =>
      Object.values(await ask(hosts, 'echo hi')).filter((result) => result === 'hi').length,
    async interrupted({ hosts, script, word, afterMs }) {
      const answer = ask(hosts, script).then(
        (told) => Object.values(told).length,
        () => 0,
      )
      await pause(afterMs)
      await talk.kill()
      talk = begin()
      const told = await answer
      const saw = 'the process is gone, the master goes on'
      return { killed: 'process of the caller', told, ...(await lookForResults(fleet, { hosts, word, saw })) }
    },
    close: () => talk.kill(),
  }
}

/** One session, as a program would keep it. */
async function restService(fleet: SaltFleet): Promise<Caller> {
  const post = async <T>(at: string, body: object, token = '') => {
    const response = await fetch(fleet.url + at, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', 'x-auth-token': token },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`salt-api answered ${response.status}: ${await response.text()}`)
    return ((await response.json()) as { return: T[] }).return[0]
  }
  const session = await post<{ token: string }>('/login', {
    username: 'bench',
    sharedsecret: 'bench',
    password: 'bench',
    eauth: 'sharedsecret',
  })
  return {
    name: 'salt-api',
    async echo(hosts) {
      const tgt = fleet.minions.slice(0, hosts)
      const order = {
        client: 'local',
        tgt,
        tgt_type: 'list',
        fun: 'cmd.run',
        arg: ['echo hi'],
        timeout: CLI_TIMEOUT_S,
      }
      const results = await post<Record<string, string>>('/', [order], session?.token)
      return Object.values(results ?? {}).filter((result) => result === 'hi').length
    },
  }
}
