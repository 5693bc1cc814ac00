/** A MariaDB server of a test's own: Debian's, on a free port of loopback, gone with its folder however the test ends. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2'
import { privateFolder, unprivilegedAccount } from '../../stack/embedded/data'
import { choosePorts } from '../../stack/embedded/ports'
import { Supervisor } from '../../stack/supervise/supervisor'

/** Whether the preparation found no MariaDB; its tests are then counted as skipped. */
export const mariadbMissing = (process.env['DROVER_MISSING'] ?? '').split(',').includes('mariadb')

type Row = Record<string, unknown>

export interface MariaDb extends AsyncDisposable {
  port: number
  socket: string
  /** As root, who has no password. */
  query(sql: string): Promise<Row[]>
}

/** @param options further words for the server */
export async function startMariaDb(options: string[] = []): Promise<MariaDb> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-maria-'))
  chmodSync(folder, 0o711)
  const account = unprivilegedAccount()
  const own = privateFolder(folder, 'mariadb', account)
  chmodSync(own, 0o711)
  const env = { PATH: `${process.env['PATH']}:/usr/sbin` }
  const words = ['--no-defaults', `--datadir=${join(own, 'data')}`]
  const setUp = [...words, '--auth-root-authentication-method=normal', '--skip-test-db']
  execFileSync('mariadb-install-db', setUp, { env, cwd: '/', stdio: 'pipe', ...account })
  const ports = await choosePorts()
  const port = await ports.of('mariadb')
  const socket = join(own, 's.sock')
  const place = ['--bind-address=127.0.0.1', `--port=${port}`, `--socket=${socket}`, `--pid-file=${own}/pid`]
  const quick = ['--innodb-flush-log-at-trx-commit=0', '--skip-name-resolve']
  const supervisor = new Supervisor({ logs: join(folder, 'logs'), temporaryFolder: folder })
  const query = (sql: string) => ask(port, sql)
  const [server] = supervisor.start({
    name: 'mariadb',
    command: 'mariadbd',
    args: [...words, ...place, ...quick, ...options],
    env,
    cwd: '/',
    ...account,
    isReady: async () => (await query('select 1')).length === 1,
  })
  await server?.waitReady(30_000)
  return {
    port,
    socket,
    query,
    async [Symbol.asyncDispose]() {
      await supervisor.close()
      ports.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function ask(port: number, sql: string): Promise<Row[]> {
  const connection = createConnection({ host: '127.0.0.1', port, user: 'root', multipleStatements: true })
  return new Promise((resolve, reject) => {
    connection.on('error', reject)
    connection.query(sql, (error, rows) => {
      connection.destroy()
      if (error) reject(error)
      else resolve(rows as unknown as Row[])
    })
  })
}
