/** Secrets are sealed to the keys of hosts, and hosts get new keys with every certificate. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Scene } from '../helpers/scene'

// No gateway may be away so long here: a host whose certificate has ended has to join again.
const LIFE_MS = 20_000

describe('secrets', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.start({ agents: 2, env: { worker: { DROVER_HOST_CERTIFICATE_MS: String(LIFE_MS) } } })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  it('reach hosts whose certificates change all the time', async () => {
    const name = 'again'
    const { status } = await scene.api.insist('POST', '/secrets', { name, value: 'again and again' })
    expect(status).toBe(201)
    const keys = async () =>
      Number(
        (
          await scene.pool.query(
            'select count(distinct public_key) as n from certificate where host_id is not null',
          )
        ).rows[0].n,
      )
    const before = await keys()
    let runs = 0
    for (const end = Date.now() + 1.5 * LIFE_MS; Date.now() < end; runs++) {
      const id = await scene.launch('*', `[ "$(cat "$VALUE_FILE")" = 'again and again' ]`, {
        secrets: { VALUE: name },
      })
      expect([(await scene.api.ended(id)).state, await scene.api.hosts(id)]).toEqual([
        'succeeded',
        expect.anything(),
      ])
    }
    expect(runs).toBeGreaterThan(5)
    expect(await keys()).toBeGreaterThan(before)
  }, 120_000)

  it('the migration finds the keys of certificates that were issued before it', async () => {
    const sql = readFileSync(path.join(__dirname, '../../store/postgres/migrations/0018-secrets.sql'), 'utf8')
    const backfill = /^update certificate[^;]+;/m.exec(sql)?.[0] ?? ''
    const keys = async () =>
      (
        await scene.pool.query(
          'select serial, public_key from certificate where host_id is not null order by serial',
        )
      ).rows
    // Hosts renew meanwhile: what they are issued is in no way of this.
    const before = new Map((await keys()).map((row) => [row.serial, row.public_key]))
    expect(before.size).toBeGreaterThan(2)
    await scene.pool.query('update certificate set public_key = null where serial = any($1)', [
      [...before.keys()],
    ])
    await scene.pool.query(backfill)
    const after = new Map((await keys()).map((row) => [row.serial, row.public_key]))
    for (const [serial, key] of before) {
      expect(key).toHaveLength(65)
      expect(after.get(serial)).toEqual(key)
    }
  })
})
