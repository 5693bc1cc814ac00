/** The parallel-ssh library with its connections kept: no journal, no record, no rights; the floor. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pause } from '../../helpers/api'
import { countOf, type Fleet, type Peer } from './caller'
import { startConversation } from './conversation'
import { floodBytesIn } from './flood'
import { startSshServer } from './ssh-server'
import { peersFolder, toolProgram } from './tools'

export const parallelSsh: Peer = {
  id: 'parallel-ssh',
  // Within three times of it, although every start of ours is journalled, signed and recorded.
  aim: 0.33,
  async start(bench): Promise<Fleet> {
    const server = await startSshServer(bench)
    const { site, port, user, key } = server
    const settings = JSON.stringify({ host: '127.0.0.1', port, user, key })
    const begin = () =>
      startConversation(site, toolProgram('parallel-ssh', 'python'), [
        path.join(peersFolder(), 'parallel_client.py'),
        settings,
      ])
    let talk = begin()
    const run = async (hosts: number, script: string) =>
      (await talk.ask<{ said: string[] }>({ hosts, script })).said
    const caller = {
      name: 'parallel-ssh',
      echo: async (hosts: number) => (await run(hosts, 'echo hi')).filter((text) => text === 'hi').length,
      async firstSight(script: string, text: string) {
        const from = performance.now()
        let seen = Number.NaN
        let word = await talk.ask<{ line: string | null }>({ hosts: 1, script, live: true })
        for (; word.line !== null; word = await talk.ask())
          if (word.line === text && Number.isNaN(seen)) seen = performance.now() - from
        return seen
      },
      async flood(script: string) {
        const save = path.join(site.folder, 'flood')
        await talk.ask({ hosts: 1, script, save })
        return { bytes: floodBytesIn(readFileSync(save)) }
      },
      async interrupted(of: { hosts: number; script: string; word: string; afterMs: number }) {
        const answer = run(of.hosts, of.script).then(
          (said) => countOf(said.join('\n'), of.word),
          () => 0,
        )
        await pause(of.afterMs)
        await talk.kill()
        talk = begin()
        return { killed: 'process of the caller', told: await answer, saw: 'there is no record to look into' }
      },
    }
    const close = async () => {
      await talk.kill()
      await server.close()
    }
    return { callers: [caller], close }
  },
}
