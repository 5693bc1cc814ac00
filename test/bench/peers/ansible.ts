/** Ansible over ssh to loopback, set up to be quick: pipelining, kept connections, 50 forks, no search for Python. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pause } from '../../helpers/api'
import { type Caller, countOf, type Fleet, type Peer } from './caller'
import { floodBytesIn } from './flood'
import { startProgram } from './program'
import { type SshServer, startSshServer } from './ssh-server'
import { toolProgram } from './tools'

export const ansible: Peer = {
  id: 'ansible',
  must: 1,
  aim: 10,
  async start(bench, hosts): Promise<Fleet> {
    const server = await startSshServer(bench)
    const names = Array.from({ length: hosts }, (_, n) => `host-${n + 1}`)
    writeSettings(server, names)
    const callers = (['raw', 'command'] as const).map((module) => callerOf(server, names, module))
    return { callers, close: () => server.close() }
  },
}

/** Every alias has a connection of its own, as many hosts would have. */
function writeSettings({ site, port, user, key }: SshServer, names: string[]): void {
  const at = (name: string) => path.join(site.folder, name)
  mkdirSync(at('c'), { mode: 0o700 })
  const common = `ansible_host=127.0.0.1 ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${key}`
  const python = `ansible_python_interpreter=${toolProgram('ansible', 'python')}`
  const lines = names.map((name) => `${name} ${common} ${python} ansible_control_path=${at(`c/${name}`)}`)
  writeFileSync(at('hosts'), `${lines.join('\n')}\n`)
  const settings = `[defaults]
inventory = ${at('hosts')}
forks = 50
host_key_checking = False
local_tmp = ${at('local')}
remote_tmp = ${at('remote')}
nocows = True
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
`
  writeFileSync(at('ansible.cfg'), settings)
}

function callerOf({ site }: SshServer, names: string[], module: 'raw' | 'command'): Caller {
  const log = path.join(site.folder, `${module}.log`)
  const call = (hosts: number, script: string, env: Record<string, string> = {}) =>
    startProgram(
      site,
      toolProgram('ansible', 'ansible'),
      [hosts === names.length ? 'all' : names.slice(0, hosts).join(','), '-m', module, '-a', script],
      { ANSIBLE_CONFIG: path.join(site.folder, 'ansible.cfg'), ...env },
    )
  // The command module knows no shell of its own.
  const shell = (script: string) => (module === 'raw' ? script : `sh -c ${JSON.stringify(script)}`)
  return {
    name: `Ansible ${module}`,
    echo: async (hosts) => countOf((await call(hosts, 'echo hi').ended).stdout, '\nhi\n'),
    async firstSight(script, text) {
      const from = performance.now()
      const program = call(1, shell(script))
      const at = await program.sees(`\n${text}`)
      await program.ended
      return at - from
    },
    async flood(script) {
      const { stdout, excerpt } = await call(1, shell(script)).ended
      return { bytes: floodBytesIn(stdout), instead: excerpt.slice(0, 200) }
    },
    async interrupted({ hosts, script, word, afterMs }) {
      // Ansible's only record, which nobody has unless asked for.
      const program = call(hosts, shell(script), { ANSIBLE_LOG_PATH: log })
      await pause(afterMs)
      program.kill()
      const { stdout } = await program.ended
      await pause(afterMs * 3)
      const kept = existsSync(log) ? countOf(readFileSync(log), word) : 0
      const left = readdirSync(site.folder).includes('local')
        ? 'its temporary folder is left behind'
        : 'nothing is left'
      return {
        killed: 'ansible',
        told: countOf(stdout, `\n${word}\n`),
        byHand: kept,
        saw: `it said ${stdout.length} bytes, its log knows ${kept} results, ${left}`,
      }
    },
  }
}
