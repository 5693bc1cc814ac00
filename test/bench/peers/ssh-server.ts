/** An OpenSSH server of our own on loopback, which plays as many hosts as are asked for, with keys made for it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import path from 'node:path'
import { pause } from '../../helpers/api'
import type { Bench } from '../bench'
import { familyOf, killAll } from '../../helpers/family'
import { runProgram } from './program'
import { openSite, type Site } from './site'
import { sshServerProgram } from './tools'

export interface SshServer {
  site: Site
  port: number
  user: string
  /** File of the private key that may log in. */
  key: string
  close(): Promise<void>
}

export async function startSshServer(bench: Bench): Promise<SshServer> {
  const site = await openSite((line) => bench.say(`! ${line.split('\n')[0]}`))
  try {
    const [hostKey, key] = ['host-key', 'user-key'].map((name) => path.join(site.folder, name)) as [
      string,
      string,
    ]
    for (const file of [hostKey, key])
      await runProgram(site, 'ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
    const port = await site.port('ssh')
    const config = path.join(site.folder, 'sshd_config')
    writeFileSync(
      config,
      configOf({ port, hostKey, key, home: site.folder, marker: site.env['DROVER_STACK'] ?? '' }),
    )
    // Compiled into sshd; packages make it at the start of the service, which is not ours.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    const [child] = site.start({
      name: 'sshd',
      command: sshServerProgram(),
      args: ['-D', '-e', '-f', config],
      isReady: () => listens(port),
    })
    await child?.waitReady()
    return { site, port, user: userInfo().username, key, close: () => end(site, child?.pid ?? -1) }
  } catch (error) {
    await site.close()
    throw error
  }
}

/** Sessions first, for they are groups of their own, and their parent buries them. */
async function end(site: Site, pid: number): Promise<void> {
  killAll(familyOf(pid).slice(1))
  for (let n = 0; n < 20 && familyOf(pid).length > 1; n++) await pause(50)
  await site.close()
}

function configOf(of: { port: number; hostKey: string; key: string; home: string; marker: string }): string {
  return [
    'ListenAddress 127.0.0.1',
    `Port ${of.port}`,
    `HostKey ${of.hostKey}`,
    `AuthorizedKeysFile ${of.key}.pub`,
    // By its marker a script ends with the site; and a home of its own keeps our profile, which may be slow, out of it.
    `SetEnv DROVER_STACK=${of.marker} HOME=${of.home}`,
    'PidFile none',
    // The folder is below the temporary one, which everybody may write.
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 1000',
    'MaxSessions 1000',
    'LogLevel ERROR',
    '',
  ].join('\n')
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
