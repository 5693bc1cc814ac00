/** How the api starts: before its database, with TLS, as one of several, with the first administrator made exactly once. */
import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { X509CertificateGenerator } from '@peculiar/x509'
import { start } from '../../api/server'
import { type ApiFixture, startApiFixture } from './api-fixture'

let api: ApiFixture
let folder: string

beforeAll(async () => {
  api = await startApiFixture()
  folder = mkdtempSync(join(tmpdir(), 'drover-start-'))
}, 120_000)

afterAll(async () => {
  await api?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A database of its own on the same server. */
async function freshDatabase(name: string): Promise<string> {
  await api.pool.query(`create database ${name}`)
  const url = new URL(api.config.postgresUrl)
  url.pathname = `/${name}`
  return url.href
}

describe('the first administrator', () => {
  it('is made once by many processes, and the token in the file is theirs', async () => {
    const postgresUrl = await freshDatabase('many')
    const bootstrapTokenFile = join(folder, 'many')
    const apis = await Promise.all(
      [1, 2, 3].map(() => start({ ...api.config, postgresUrl, bootstrapTokenFile })),
    )
    try {
      const token = readFileSync(bootstrapTokenFile, 'utf8').trim()
      expect(statSync(bootstrapTokenFile).mode & 0o777).toBe(0o600)
      for (const { url } of apis) {
        const answer = await fetch(`${url}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}` } })
        expect(await answer.json()).toMatchObject({
          principal: { name: 'admin' },
          roles: { default: ['admin'] },
        })
      }
    } finally {
      await Promise.all(apis.map((each) => each[Symbol.asyncDispose]()))
    }
  })

  it('takes the token of a start that did not live to commit it', async () => {
    const token = `drt_${'k'.repeat(43)}`
    const bootstrapTokenFile = join(folder, 'left-over')
    writeFileSync(bootstrapTokenFile, `${token}\n`, { mode: 0o600 })
    await using again = await start({
      ...api.config,
      postgresUrl: await freshDatabase('again'),
      bootstrapTokenFile,
    })
    const answer = await fetch(`${again.url}/api/v1/whoami`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(answer.status).toBe(200)
  })

  it('is not made where the token would go to a file that is not its own', async () => {
    const postgresUrl = await freshDatabase('refused')
    const bootstrapTokenFile = join(folder, 'someones')
    writeFileSync(bootstrapTokenFile, 'their text')
    chmodSync(bootstrapTokenFile, 0o644)
    await expect(start({ ...api.config, postgresUrl, bootstrapTokenFile })).rejects.toThrow(
      /DROVER_BOOTSTRAP_TOKEN_FILE/,
    )
    expect(readFileSync(bootstrapTokenFile, 'utf8')).toBe('their text')
    await using mended = await start({
      ...api.config,
      postgresUrl,
      bootstrapTokenFile: join(folder, 'mended'),
    })
    expect(mended.url).toMatch(/^http:/)
    expect(existsSync(join(folder, 'mended'))).toBe(true)
  })
})

describe('the api', () => {
  it('waits for a database that is not there yet', async () => {
    const child = api.embedded.supervisor.child('postgres')
    const pid = child.pid
    child.kill('SIGKILL')
    await using patient = await start(api.config)
    expect(child.pid).not.toBe(pid)
    expect((await fetch(`${patient.url}/readyz`)).status).toBe(200)
  })

  it('gives up waiting when it is asked to end', async () => {
    const ending = AbortSignal.timeout(300)
    const away = { ...api.config, postgresUrl: 'postgres://x:y@127.0.0.1:9/x' }
    await expect(start(away, { signal: ending })).rejects.toThrow()
  })

  it('speaks TLS on the address that it is given', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const cert = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=localhost',
      keys,
      signingAlgorithm: algorithm,
    })
    const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    const tls = {
      cert: cert.toString('pem'),
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    }
    await using secure = await api.startApi({ tls, listen: { host: '0.0.0.0', port: 0 } })
    expect(secure.url).toMatch(/^https:\/\/0\.0\.0\.0:/)
    const status = await new Promise((resolve, reject) => {
      const call = request(`${secure.url}/healthz`, { rejectUnauthorized: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      call.on('error', reject).end()
    })
    expect(status).toBe(200)
  })

  it('answers its command line without a store', () => {
    const main = join(__dirname, '../../dist/api/main.js')
    const run = (args: string[], env: Record<string, string> = {}) => {
      try {
        return {
          code: 0,
          out: execFileSync(process.execPath, [main, ...args], { env, encoding: 'utf8', stdio: 'pipe' }),
        }
      } catch (error) {
        const { status, stderr } = error as { status: number; stderr: string }
        return { code: status, out: stderr }
      }
    }
    expect(run(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect(run(['--help']).out).toMatch(/--config-check/)
    expect(run(['--config-check'])).toEqual({
      code: 2,
      out: expect.stringMatching(/DROVER_POSTGRES_URL is not set/),
    })
    expect(run(['--bogus']).code).toBe(2)
  })
})

describe('a workflow', () => {
  it('is started with a summary that keeps Temporal’s limit, however long the names are', async () => {
    await api.addHosts(api.scopeId, ['long-1'])
    const name = '部署'.repeat(60)
    const token = await api.principal('p'.repeat(80), api.scopeId, ['operator'])
    const made = await api.call('/executions', {
      method: 'POST',
      token,
      body: { target: 'name:long-1', script: { name, script: 'true' } },
    })
    expect(made.status).toBe(201)
    const connection = await Connection.connect({ address: api.config.temporalAddress })
    try {
      const handle = new Client({ connection }).workflow.getHandle(
        `execution/default/${String(made.body['id'])}`,
      )
      const found = await handle.describe()
      expect(found.type).toBe('executePlan')
      const summary = (await found.staticSummary()) ?? ''
      expect(summary).toMatch(/^(部署)+/)
      expect(Buffer.byteLength(summary)).toBeLessThan(400)
    } finally {
      await connection.close()
    }
  })

  it('is launched and audited with a target that is cut in the middle of a character', async () => {
    const target = `name:long-1\n${'# '.padEnd(487, 'x')}${'😀'.repeat(2_000)}`
    const made = await api.call('/executions', {
      method: 'POST',
      body: { target, script: { script: 'true' } },
    })
    expect(made.status).toBe(201)
    // Half a character cannot be encoded.
    expect(() => encodeURIComponent(String(made.body['target']))).not.toThrow()
  })
})
