/** The SQL runner against a real PostgreSQL and a real MariaDB: what it writes, how it fails, what it leaves on the server. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { TestCa } from '../../agent/testing/certificates'
import { unprivilegedAccount } from '../../stack/embedded/data'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded'
import { pause } from '../helpers/api'
import { type MariaDb, mariadbMissing, startMariaDb } from '../helpers/mariadb'
import { eventually } from '../helpers/scene'
import { RunnerLab } from '../helpers/sql-runner'

/** Far over what the runner needs, far under what a million rows would take. */
const PEAK_KB = 220_000

interface Cert {
  certFile: string
  keyFile: string
  caFile: string
}

/** A server's certificate for `localhost`, in files that its account may read. */
async function certificate(folder: string): Promise<Cert> {
  const ca = await TestCa.create()
  const { certPem, keyPem } = await ca.issueServer('localhost')
  mkdirSync(folder)
  const account = unprivilegedAccount()
  const write = (name: string, text: string) => {
    const file = join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    if (account) chownSync(file, account.uid, account.gid)
    return file
  }
  if (account) chownSync(folder, account.uid, account.gid)
  return { certFile: write('cert', certPem), keyFile: write('key', keyPem), caFile: write('ca', ca.pem) }
}

describe('the SQL runner on PostgreSQL', () => {
  const data = mkdtempSync(join(tmpdir(), 'drover-sql-pg-'))
  let embedded: Embedded
  let lab: RunnerLab
  let admin: Client
  let base: string[]
  let password: string

  beforeAll(async () => {
    embedded = await startEmbedded({
      data,
      prefix: 'DROVER_TEST_',
      servers: ['postgres'],
      fsync: false,
      temporary: true,
    })
    const url = new URL(embedded.urls.postgres)
    password = decodeURIComponent(url.password)
    base = ['--engine', 'postgresql', '--host', url.hostname, '--port', url.port, '--user', url.username]
    admin = new Client({ connectionString: embedded.urls.postgres })
    await admin.connect()
    const files = new RunnerLab([])
    lab = new RunnerLab([...base, '--database', 'drover', '--password-file', files.file(`${password}\n`)])
  })

  afterAll(async () => {
    await admin?.end()
    await embedded?.close()
    lab?.close()
    rmSync(data, { recursive: true, force: true })
  })

  /** Statements of others that run now, as the server sees them. */
  const running = async (like: string) =>
    (
      await admin.query(
        `select from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`,
        [like],
      )
    ).rowCount

  it('writes rows with a header, and tells nothing, the empty string, tabs, line ends and bytes apart', async () => {
    const sql = `select 1 as n, null as nothing, '' as "empty", E'a\\tb\\nc\\\\d' as text, '\\x00ff'::bytea as bytes, true as yes, 1.50 as d;`
    expect(await lab.run(sql)).toEqual({
      code: 0,
      stdout: `n\tnothing\tempty\ttext\tbytes\tyes\td\n1\t\\N\t\ta\\tb\\nc\\\\d\t\\\\x00ff\tt\t1.50\n`,
      stderr: 'statement 1: SELECT 1\n',
    })
    expect((await lab.run(sql, ['--format', 'csv'])).stdout).toBe(
      `n,nothing,empty,text,bytes,yes,d\n1,,"","a\tb\nc\\d",\\x00ff,t,1.50\n`,
    )
    expect(JSON.parse((await lab.run(sql, ['--format', 'jsonl'])).stdout)).toEqual({
      n: 1,
      nothing: null,
      empty: '',
      text: 'a\tb\nc\\d',
      bytes: '\\x00ff',
      yes: true,
      d: '1.50',
    })
  })

  it('keeps every digit, and names columns apart that have one name', async () => {
    const sql = `select 9007199254740993::bigint as id, 2::int as id, 0.1::float8 as f, 'NaN'::float8 as nan, '{"a": [1,\n2]}'::json as j`
    expect((await lab.run(sql, ['--format', 'jsonl'])).stdout).toBe(
      `{"id":"9007199254740993","id_2":2,"f":0.1,"nan":"NaN","j":{"a": [1, 2]}}\n`,
    )
  })

  it('runs statements one by one, with their counts, notices and result sets in order', async () => {
    const { code, stdout, stderr } = await lab.run(`
      create temp table t (id int);  -- a ; in a comment
      insert into t select generate_series(1, 3);
      do $$ begin raise notice 'half; way'; end $$;
      select count(*) from t; /* a ; here /* and ; there */ */
      select 'a;b' as s;
      copy (select 7) to stdout;
      vacuum;`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'count\n3\n\ns\na;b\n7\n' })
    expect(stderr.split('\n').slice(0, -1)).toEqual([
      'statement 1: CREATE TABLE',
      'statement 2: INSERT 0 3',
      'statement 3: NOTICE: half; way',
      'statement 3: DO',
      'statement 4: SELECT 1',
      'statement 5: SELECT 1',
      'statement 6: COPY 1',
      'statement 7: VACUUM',
    ])
  })

  it('says code, statement, line and column of an error, and stops there or goes on', async () => {
    const sql = `select 1;\n\nselect '😀' as face,\n  missing from pg_class;\nselect 2;\n`
    const stopped = await lab.run(sql)
    expect(stopped).toMatchObject({ code: 1, stdout: '?column?\n1\n' })
    expect(stopped.stderr).toContain(
      'statement 2, line 4, column 3: ERROR 42703: column "missing" does not exist',
    )
    const went = await lab.run(sql, ['--on-error', 'continue'])
    expect(went).toMatchObject({ code: 1, stdout: '?column?\n1\n\n?column?\n2\n' })
    expect(went.stderr).toContain('statement 3: SELECT 1')
    const copy = await lab.run('copy pg_temp.x from stdin;\nselect 1')
    expect(copy.code).toBe(1)
  })

  it('keeps all of a script or nothing where it is one transaction', async () => {
    await admin.query('create table kept (id int)')
    const count = async () => (await admin.query('select count(*)::int as n from kept')).rows[0].n
    const failing = `insert into kept values (1);\nselect 1/0;`
    expect((await lab.run(failing, ['--transaction'])).stderr).toContain(
      'rolled back: nothing of the script is kept',
    )
    expect(await count()).toBe(0)
    expect(
      await lab.run('insert into kept values (1); insert into kept values (2)', ['--transaction']),
    ).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('committed') as string,
    })
    expect(await count()).toBe(2)
    const left = await lab.run('begin; insert into kept values (3);')
    expect(left).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('left a transaction open') as string,
    })
    const own = await lab.run('insert into kept values (4); commit; insert into kept values (5);', [
      '--transaction',
    ])
    expect(own).toMatchObject({ code: 1, stderr: expect.stringContaining('ended the transaction') as string })
    expect(await count()).toBe(3)
    const deferred = await lab.run(
      `create table child (id int unique deferrable initially deferred); insert into child values (1), (1);`,
      ['--transaction'],
    )
    expect(deferred).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('commit: ERROR 23505') as string,
    })
  })

  it('reads a million rows for a slow reader without keeping them', async () => {
    let lines = 0
    const { end, peakKb } = await lab.peakOf(
      `select n, md5(n::text), repeat('x', 60) from generate_series(1, 1000000) n`,
      (count) => {
        lines = count
      },
    )
    expect(end).toMatchObject({ code: 0, stderr: 'statement 1: SELECT 1000000\n' })
    expect(lines).toBe(1_000_001)
    expect(peakKb).toBeLessThan(PEAK_KB)
  })

  it('cancels its statement on the server when it is asked to end', async () => {
    const child = lab.start(`select 1;\nselect pg_sleep(100) as "cancel me"`)
    while ((await running('%cancel me%')) !== 1) await pause(20)
    process.kill(child.pid, 'SIGTERM')
    const { code, stderr } = await child.end
    expect(code).toBe(143)
    expect(stderr).toContain('statement 2, line 2: ERROR 57014: canceling statement due to user request')
    expect(await running('%cancel me%')).toBe(0)
  })

  it('cancels a statement whose rows nobody reads', async () => {
    const child = lab.start(`select repeat('y', 1000) as "flood" from generate_series(1, 100000000)`)
    await pause(500)
    process.kill(child.pid, 'SIGTERM')
    expect((await child.end).code).toBe(143)
    expect(await running('%flood%')).toBe(0)
  })

  it('leaves nothing running on the server when it is killed', async () => {
    const child = lab.start(`select count(*) as "orphan" from generate_series(1, 100000000000)`)
    while ((await running('%orphan%')) !== 1) await pause(20)
    process.kill(child.pid, 'SIGKILL')
    await child.end
    for (const until = Date.now() + 15_000; (await running('%orphan%')) !== 0; await pause(100)) {
      if (Date.now() > until) throw new Error('the statement still runs')
    }
  })

  it('says which connection failed and why, and tries no further', async () => {
    const files = new RunnerLab([])
    const wrong = new RunnerLab([...base, '--password-file', files.file('wrong')])
    expect(await wrong.run('select 1')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/as drover: ERROR 28P01: password authentication failed/) as string,
    })
    const none = await new RunnerLab([...base, '--password-file', '/nonexistent/password']).run('select 1')
    expect(none).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('the file with the password') as string,
    })
    const nobody = await lab.run('select 1', ['--port', '1'])
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('ECONNREFUSED') as string })
    expect(await lab.run('select 1', ['--database', 'nowhere'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ERROR 3D000') as string,
    })
    expect(await lab.run('select 1', ['--format', 'xml'])).toMatchObject({ code: 64 })
  })

  it('gives its password to nobody in clear text but on its own host', async () => {
    await admin.query(`create role clear login password 'sesame'`)
    await admin.query('grant connect on database drover to clear')
    const rules = join(data, 'postgres/cluster/pg_hba.conf')
    writeFileSync(rules, `host all clear 127.0.0.1/32 password\n${readFileSync(rules, 'utf8')}`)
    await admin.query('select pg_reload_conf()')
    const words = ['--user', 'clear', '--password-file', lab.file('sesame'), '--ssl-mode', 'disable']
    await eventually('a sign-in', async () => (await lab.run('select 1', words)).code === 0 || undefined)
    // Linux takes it for this host; the runner cannot know that.
    expect(await lab.run('select 1', [...words, '--host', '0.0.0.0'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('in clear text') as string,
    })
  })

  it('says that the connection was lost when the server ends it', async () => {
    const child = lab.start(`select pg_sleep(100) as "end me"; select 2`)
    while ((await running('%end me%')) !== 1) await pause(20)
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like '%end me%' and pid <> pg_backend_pid()`,
    )
    const { code, stderr } = await child.end
    expect(code).toBe(2)
    expect(stderr).toContain('ERROR 57P01')
    expect(stderr).not.toContain('statement 2')
  })

  it('goes over TLS as far as it is told to, and cancels over it too', async () => {
    const plain = await lab.run('select 1', ['--ssl-mode', 'require'])
    expect(plain).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not support SSL') as string,
    })
    const { certFile, keyFile, caFile } = await certificate(join(data, 'tls'))
    for (const [name, value] of [
      ['ssl_cert_file', certFile],
      ['ssl_key_file', keyFile],
      ['ssl', 'on'],
    ])
      await admin.query(`alter system set ${name} = '${value}'`)
    await admin.query('select pg_reload_conf()')
    const asks = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
    const answer = async (...words: string[]) => (await lab.run(asks, words)).stdout
    while ((await answer()) !== 'ssl\nt\n') await pause(50)
    expect(await answer('--ssl-mode', 'disable')).toBe('ssl\nf\n')
    expect(await answer('--ssl-mode', 'require')).toBe('ssl\nt\n')
    const full = ['--ssl-mode', 'verify-full', '--ca-file', caFile]
    expect(await answer(...full, '--host', 'localhost')).toBe('ssl\nt\n')
    const other = await lab.run(asks, full)
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/altnames|does not match/i) as string,
    })
    const stranger = await lab.run(asks, ['--ssl-mode', 'verify-full', '--host', 'localhost'])
    expect(stranger).toMatchObject({ code: 2, stderr: expect.stringMatching(/certificate/) as string })
    const child = lab.start(`select pg_sleep(100) as "over tls"`, [...full, '--host', 'localhost'])
    while ((await running('%over tls%')) !== 1) await pause(20)
    process.kill(child.pid, 'SIGTERM')
    expect((await child.end).stderr).toContain('ERROR 57014')
  })
})

const withMariaDb = mariadbMissing ? describe.skip : describe

withMariaDb('the SQL runner on MariaDB', () => {
  const data = mkdtempSync(join(tmpdir(), 'drover-sql-my-'))
  let server: MariaDb
  let lab: RunnerLab
  let tls: Cert

  beforeAll(async () => {
    // Another account reads the certificate there.
    chmodSync(data, 0o711)
    tls = await certificate(join(data, 'tls'))
    server = await startMariaDb([`--ssl-cert=${tls.certFile}`, `--ssl-key=${tls.keyFile}`])
    await server.query(
      `create database lab; create user ann@'%' identified by 'sesame'; grant all on *.* to ann@'%'`,
    )
    const files = new RunnerLab([])
    const base = ['--engine', 'mysql', '--port', String(server.port), '--user', 'ann', '--database', 'lab']
    lab = new RunnerLab([...base, '--password-file', files.file('sesame')])
  })

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    lab?.close()
    rmSync(data, { recursive: true, force: true })
  })

  const running = async (like: string) =>
    (
      await server.query(
        `select id from information_schema.processlist where command = 'Query' and info like '${like}' and id <> connection_id()`,
      )
    ).length

  it('writes every type as its text, bytes in hexadecimal digits, nothing as nothing', async () => {
    const { stdout } = await lab.run(
      `create table v (id bigint unsigned, d decimal(5,2), u uuid, i inet6, j json, b bit(3), dt datetime(3), l char(3) character set latin1, bl blob, t text, n int);
       insert into v values (18446744073709551615, 1.5, '123e4567-e89b-12d3-a456-426655440000', '::1', '{"k": [1]}', b'101', '2026-01-02 03:04:05.678', 'ä', x'00ff', 'a\\tb\\nü', null);
       select * from v;`,
      ['--format', 'jsonl'],
    )
    expect(stdout).toBe(
      `{"id":"18446744073709551615","d":"1.50","u":"123e4567-e89b-12d3-a456-426655440000","i":"::1","j":{"k": [1]},"b":"\\\\x05","dt":"2026-01-02 03:04:05.678","l":"ä","bl":"\\\\x00ff","t":"a\\tb\\nü","n":null}\n`,
    )
    expect((await lab.run('select * from v')).stdout.split('\n')[1]).toBe(
      '18446744073709551615\t1.50\t123e4567-e89b-12d3-a456-426655440000\t::1\t{"k": [1]}\t\\\\x05\t2026-01-02 03:04:05.678\tä\t\\\\x00ff\ta\\tb\\nü\t\\N',
    )
  })

  it('runs statements one by one, procedures with their delimiter too, and tells counts and warnings', async () => {
    const { code, stdout, stderr } = await lab.run(`
      create table w (id int primary key); # a ; here
      insert into w values (1), (2); -- and ; there
      insert ignore into w values (1);
      delimiter //
      create procedure p() begin select 'one;' as a; select 2 as b; end //
      delimiter ;
      call p();
      /*!40101 select 'a */ b' as c */;
      update w set id = 3 where id = 2;`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'a\none;\n\nb\n2\n\nc\na */ b\n' })
    expect(stderr.split('\n').slice(0, -1)).toEqual([
      'statement 1: 0 rows affected',
      'statement 2: 2 rows affected; Records: 2  Duplicates: 0  Warnings: 0',
      "statement 3: WARNING 1062: Duplicate entry '1' for key 'PRIMARY'",
      'statement 3: 0 rows affected; 1 warning',
      'statement 4: 0 rows affected',
      'statement 5: 1 row, 1 row, 0 rows affected',
      'statement 6: 1 row',
      'statement 7: 1 row affected; Rows matched: 1  Changed: 1  Warnings: 0',
    ])
  })

  it('says code, state and place of an error, and stops there or goes on', async () => {
    const sql = `select 1 as a;\n\nselect * from missing;\nselect 2 as b;\n`
    const stopped = await lab.run(sql)
    expect(stopped).toMatchObject({ code: 1, stdout: 'a\n1\n' })
    expect(stopped.stderr).toContain(
      `statement 2, line 3: ERROR 1146 (42S02): Table 'lab.missing' doesn't exist`,
    )
    expect(await lab.run(sql, ['--on-error', 'continue'])).toMatchObject({
      code: 1,
      stdout: 'a\n1\n\nb\n2\n',
    })
  })

  it('keeps all of a script or nothing where it is one transaction, and says what commits by itself', async () => {
    await server.query('create table lab.kept (id int primary key)')
    const count = async () => Number((await server.query('select count(*) as n from lab.kept'))[0]?.['n'])
    const twice = 'insert into kept values (1); insert into kept values (1);'
    expect((await lab.run(twice, ['--transaction'])).stderr).toContain('rolled back')
    expect(await count()).toBe(0)
    expect(await lab.run('insert into kept values (1);', ['--transaction'])).toMatchObject({ code: 0 })
    expect(await count()).toBe(1)
    const ddl = await lab.run(
      'insert into kept values (2); create table later (id int); insert into kept values (3);',
      ['--transaction'],
    )
    expect(ddl).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('statement 2, line 1: ERROR: it ended the transaction') as string,
    })
    expect(await count()).toBe(2)
    expect(await lab.run('begin; insert into kept values (9)')).toMatchObject({ code: 1 })
    expect(await count()).toBe(2)
  })

  it('reads a million rows for a slow reader without keeping them', async () => {
    let lines = 0
    const { end, peakKb } = await lab.peakOf(
      `select seq, md5(seq), repeat('x', 60) from seq_1_to_1000000`,
      (count) => {
        lines = count
      },
    )
    expect(end).toMatchObject({ code: 0, stderr: 'statement 1: 1000000 rows\n' })
    expect(lines).toBe(1_000_001)
    expect(peakKb).toBeLessThan(PEAK_KB)
  })

  it('cancels its statement on the server when it is asked to end, and lets a sleep not pass for done', async () => {
    const child = lab.start('select sleep(100) as cancel_me; select 2 as never')
    while ((await running('%cancel_me%')) !== 1) await pause(20)
    process.kill(child.pid, 'SIGTERM')
    const { code, stdout } = await child.end
    expect(code).toBe(143)
    expect(stdout).not.toContain('never')
    expect(await running('%cancel_me%')).toBe(0)
  })

  it('says which connection failed and why', async () => {
    const files = new RunnerLab([])
    expect(await lab.run('select 1', ['--password-file', files.file('wrong')])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/as ann: ERROR 1045 \(28000\): Access denied/) as string,
    })
    expect(await lab.run('select 1', ['--database', 'nowhere'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1049') as string,
    })
    expect(await lab.run('select 1', ['--host', '/nowhere.sock'])).toMatchObject({ code: 2 })
  })

  it('says that the connection was lost when the server ends it', async () => {
    const child = lab.start('select sleep(100) as end_me; select 2')
    while ((await running('%end_me%')) !== 1) await pause(20)
    const [found] = await server.query(
      `select id from information_schema.processlist where info like '%end_me%' and id <> connection_id()`,
    )
    await server.query(`kill connection ${String(found?.['id'])}`)
    expect((await child.end).code).toBe(2)
  })

  it('reads no file of this host for the server', async () => {
    const { code, stderr } = await lab.run(
      `create table s (t text); load data local infile '/etc/passwd' into table s;`,
    )
    expect(code).toBe(1)
    expect(stderr).toMatch(/statement 2, line 1: ERROR/)
    expect((await server.query('select count(*) as n from lab.s'))[0]).toEqual({ n: 0 })
  })

  it('goes over TLS as far as it is told to, and by a socket', async () => {
    const asks = `show status like 'Ssl_version'`
    const answer = async (...words: string[]) =>
      (await lab.run(asks, words)).stdout.split('\n')[1]?.split('\t')[1]
    expect(await answer()).toMatch(/^TLS/)
    expect(await answer('--ssl-mode', 'disable')).toBe('')
    const full = ['--ssl-mode', 'verify-full', '--ca-file', tls.caFile]
    expect(await answer(...full, '--host', 'localhost')).toMatch(/^TLS/)
    expect(await lab.run(asks, ['--ssl-mode', 'verify-full', '--host', 'localhost'])).toMatchObject({
      code: 2,
    })
    expect(await lab.run(asks, full)).toMatchObject({ code: 64 })
    expect(await answer('--host', server.socket)).toBe('')
  })
})
