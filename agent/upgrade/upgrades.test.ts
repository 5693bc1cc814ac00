import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  sha256,
  signOrder,
  signUpgrade,
  type UpgradeAgent,
  UpgradeOrder,
  type UpgradeReport,
  UpgradeState,
} from '../../proto/index'
import { makeFolder, writeFileAtomic } from '../files'
import type { PolicyState } from '../policy'
import { Upgrades } from './upgrades'
import { Versions } from './versions'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ed25519').privateKey
const NOW = 1_000_000
const bundle = (version: string) =>
  Buffer.from(`console.log(process.argv[2] === '--version' ? '${version}' : 'configuration is good')`)

describe('an agent that is ordered to change', () => {
  let state: string
  let versions: Versions
  let told: UpgradeReport[]
  let restarts: number
  let served: Buffer
  let policy: PolicyState
  let stopped: boolean

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'drover-upgrades-'))
    versions = new Versions(state)
    await makeFolder(versions.folder)
    ;[told, restarts, served, stopped] = [[], 0, bundle('2.0.0'), false]
    policy = { readable: true, policy: {} }
  })
  afterEach(() => rm(state, { recursive: true, force: true }))

  async function agent(supervised: string | undefined = 'installed'): Promise<Upgrades> {
    const upgrades = new Upgrades({
      hostId: '7',
      keys: new Map([['k1', publicKey]]),
      versions,
      supervised,
      policy: () => policy,
      isStopped: () => stopped,
      serverNowMs: () => NOW,
      fetchBundle: () => Promise.resolve(served),
      restart: () => {
        restarts++
      },
    })
    await upgrades.recover()
    upgrades.tell = (report) => told.push(report)
    return upgrades
  }

  function order(change: Partial<UpgradeOrder> = {}, sign = signUpgrade, key = privateKey): UpgradeAgent {
    const bytes = Buffer.from(
      UpgradeOrder.encode({
        scopeId: 1n,
        hostId: 7n,
        upgradeId: 5n,
        version: '2.0.0',
        bundleSha256: sha256(bundle('2.0.0')),
        bundleBytes: bundle('2.0.0').length,
        platform: 'any',
        issuedAtMs: BigInt(NOW - 10),
        expiresAtMs: BigInt(NOW + 10),
        probationMs: 5_000,
        ...change,
      }).finish(),
    )
    return sign(bytes, { keyId: 'k1', privateKey: key })
  }

  const refused = () =>
    told
      .filter((report) => report.state === UpgradeState.UPGRADE_STATE_REFUSED)
      .map((report) => report.reason)

  it('checks the bundle, names it as next, and ends for its supervisor', async () => {
    await (await agent()).order(order())
    expect(restarts).toBe(1)
    expect(told.map((report) => report.state)).toEqual([
      UpgradeState.UPGRADE_STATE_DOWNLOADING,
      UpgradeState.UPGRADE_STATE_PROBATION,
    ])
    expect(readdirSync(versions.folder).sort()).toEqual([
      `${sha256(bundle('2.0.0')).toString('hex')}.cjs`,
      'next',
      'probation',
      'upgrade.json',
    ])
  })

  it.each<[string, () => UpgradeAgent]>([
    ['was signed by a stranger', () => order({}, signUpgrade, stranger)],
    ['was signed as another kind of order', () => order({}, signOrder)],
    ['was changed after it was signed', () => ({ ...order(), order: order({ version: '3.0.0' }).order })],
    ['names a key that nobody knows', () => ({ ...order(), keyId: 'k2' })],
  ])('does nothing, and says nothing, if the order %s', async (_what, make) => {
    await (await agent()).order(make())
    expect([restarts, told, readdirSync(versions.folder)]).toEqual([0, [], []])
  })

  it.each<[string, Partial<UpgradeOrder>]>([
    ['order_wrong_host', { hostId: 8n }],
    ['order_expired', { expiresAtMs: BigInt(NOW) }],
    ['bundle_wrong_platform', { platform: 'win32' }],
  ])('refuses with %s, and keeps no trace of it', async (reason, change) => {
    await (await agent()).order(order(change))
    expect([restarts, refused(), readdirSync(versions.folder)]).toEqual([0, [reason], []])
  })

  it.each<[string, () => void]>([
    ['stopped_by_file', () => (stopped = true)],
    ['policy_unreadable', () => (policy = { readable: false, problem: 'owner' })],
    ['policy_refused', () => (policy = { readable: true, policy: { capabilities: ['script'] } })],
  ])('lets the host have the last word: %s', async (reason, arrange) => {
    arrange()
    await (await agent()).order(order())
    expect([restarts, refused()]).toEqual([0, [reason]])
  })

  it('refuses bytes with another hash, and a bundle that says another version', async () => {
    const upgrades = await agent()
    served = Buffer.from('other bytes')
    await upgrades.order(order())
    served = bundle('9.9.9')
    const change = { upgradeId: 6n, issuedAtMs: BigInt(NOW - 5), bundleSha256: sha256(served) }
    await upgrades.order(order(change))
    expect([restarts, refused()]).toEqual([0, ['bundle_unavailable', 'bundle_broken']])
    expect(existsSync(join(versions.folder, 'next'))).toBe(false)
  })

  it('obeys no order that was issued before the last one, and answers a repeated one without obeying it again', async () => {
    const upgrades = await agent()
    served = Buffer.from('other bytes')
    await upgrades.order(order())
    await upgrades.order(order({ upgradeId: 4n, issuedAtMs: BigInt(NOW - 11) }))
    served = bundle('2.0.0')
    await upgrades.order(order())
    expect([restarts, refused()]).toEqual([
      0,
      ['bundle_unavailable', 'order_superseded', 'bundle_unavailable'],
    ])
  })

  it.each<[string, string]>([
    ['crashed 7', 'bundle_crashed'],
    ['no_session 45', 'bundle_no_session'],
    ['interrupted', 'upgrade_interrupted'],
  ])('tells after a fall back (%s) that it was %s, until the server has it', async (why, reason) => {
    await (await agent()).order(order())
    const sha = sha256(bundle('2.0.0')).toString('hex')
    await writeFileAtomic(join(versions.folder, 'failed'), `${sha} ${why}\n`)
    const old = await agent()
    told = []
    old.repeat()
    expect(told).toMatchObject([{ upgradeId: 5n, state: UpgradeState.UPGRADE_STATE_ROLLED_BACK, reason }])
    await old.settled(5n)
    old.repeat()
    expect(told).toHaveLength(1)
  })

  it('does nothing where no supervisor could change it back', async () => {
    const upgrades = new Upgrades({ ...(await agent())['host'], supervised: undefined })
    await upgrades.order(order())
    expect([restarts, told]).toEqual([0, []])
  })
})
