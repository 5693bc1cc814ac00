/** Hosts in groups by what they wrote, byte for byte and after normalising: what is in the ledger decides, for ten thousand hosts, too. */
import { createHash } from 'node:crypto'
import type { HostId } from '../../domain/id'
import { createDrover, type Drover, type HostResult, type OutputGroup } from '../../sdk/index'
import type { HostUpdate } from '../../store/postgres/ledger'
import { retryHosts } from '../../store/postgres/attempts'
import { type ApiFixture, startApiFixture } from './api-fixture'
import { PlayedRun, playSessions } from './played-run'

let api: ApiFixture
let drover: Drover
let hostIds: HostId[]

beforeAll(async () => {
  api = await startApiFixture()
  drover = createDrover({ url: api.urls[0], token: api.token })
  hostIds = await api.addHosts(
    api.scopeId,
    Array.from({ length: 8 }, (_, n) => `g-${n + 1}`),
  )
  await playSessions({ api, hostIds })
}, 120_000)

afterAll(() => api?.close())

const play = () => PlayedRun.launch({ api, hostIds }, 'name:g-[1-8]')
const hash = (text: string) => createHash('sha256').update(text).digest()
/** What an agent tells of its output; without a second word it does not normalise. */
const wrote = (exact: string, normalised?: string): Partial<HostUpdate> => ({
  exitCode: 0,
  stdoutBytes: exact.length,
  stderrBytes: 0,
  outputSha256: hash(exact),
  normalisedSha256: normalised === undefined ? undefined : hash(normalised),
})
const told = (groups: readonly OutputGroup[]) =>
  groups.map(({ nodeset, state, identical }) => [nodeset, state, identical])

describe('groups of output', () => {
  it('fold hosts that differ in what normalising takes out, and say so', async () => {
    const run = await play()
    for (const index of [0, 1, 2]) await run.host(index, 'succeeded', wrote(`at ${index}`, 'at <time>'))
    for (const index of [3, 4]) await run.host(index, 'succeeded', wrote('same', 'same'))
    await run.host(5, 'failed', { ...wrote('at 5', 'at <time>'), exitCode: 1 })
    expect(told(await drover.outputGroups(run.id, 0))).toEqual([
      ['g-[1-3]', 'succeeded', 'normalised'],
      ['g-[4-5]', 'succeeded', 'output'],
      ['g-[7-8]', 'pending', null],
      ['g-6', 'failed', 'output'],
    ])
    expect(told(await drover.outputGroups(run.id, 0, 'output')).map(([nodeset]) => nodeset)).toEqual([
      'g-[4-5]',
      'g-[7-8]',
      'g-1',
      'g-2',
      'g-3',
      'g-6',
    ])
  })

  it('tell hosts apart by why they did not run, and by a cut', async () => {
    const run = await play()
    for (const index of [0, 1]) await run.host(index, 'rejected', { started: 'no', reason: 'policy_refused' })
    await run.host(2, 'rejected', { started: 'no', reason: 'stopped_by_file' })
    for (const index of [3, 4]) await run.host(index, 'succeeded', wrote('a', 'a'))
    await run.host(5, 'succeeded', { ...wrote('a', 'a'), truncated: true })
    const groups = await drover.outputGroups(run.id, 0)
    expect(groups.map(({ nodeset, reason, truncated }) => [nodeset, reason, truncated])).toEqual([
      ['g-[1-2]', 'policy_refused', false],
      ['g-[4-5]', null, false],
      ['g-[7-8]', null, false],
      ['g-3', 'stopped_by_file', false],
      ['g-6', null, true],
    ])
  })

  it('hold equal bytes together, whether agents normalise or not', async () => {
    const run = await play()
    await run.host(0, 'succeeded', wrote('at 1', 'at <time>'))
    await run.host(1, 'succeeded', wrote('at 1'))
    await run.host(2, 'succeeded', wrote('at 2', 'at <time>'))
    await run.host(3, 'succeeded', wrote('at 3'))
    expect(told(await drover.outputGroups(run.id, 0)).slice(1)).toEqual([
      ['g-[1-3]', 'succeeded', 'normalised'],
      ['g-4', 'succeeded', 'output'],
    ])
  })

  it('compare bytes where agents disagree on them: no host can make the outputs of others look alike', async () => {
    const run = await play()
    for (const index of [0, 1]) await run.host(index, 'succeeded', wrote('good', 'good'))
    for (const index of [2, 3]) await run.host(index, 'succeeded', wrote('bad', 'bad'))
    // It says that it wrote what the good ones did, and that this is what is left of the bad ones' output.
    await run.host(4, 'succeeded', wrote('good', 'bad'))
    // The list of a cluster's members: each has itself taken out.
    await run.host(5, 'succeeded', wrote('g-6 g-7', '<host> g-7'))
    await run.host(6, 'succeeded', wrote('g-6 g-7', 'g-6 <host>'))
    expect(told(await drover.outputGroups(run.id, 0))).toEqual([
      ['g-[1-2,5]', 'succeeded', 'output'],
      ['g-[3-4]', 'succeeded', 'output'],
      ['g-[6-7]', 'succeeded', 'output'],
      ['g-8', 'pending', null],
    ])
  })

  it('forget what an attempt wrote when the host gets another one, and keep it with that attempt', async () => {
    const run = await play()
    await run.host(0, 'failed', { ...wrote('at 1', 'at <time>'), exitCode: 1 })
    await run.host(1, 'failed', { ...wrote('at 2', 'at <time>'), exitCode: 1 })
    await retryHosts(api.pool, run.key, { id: run.stepId } as never, { states: ['failed'] })
    expect(told(await drover.outputGroups(run.id, 0))).toEqual([['g-[1-8]', 'pending', null]])
    const { rows } = await api.pool.query<{ hash: Buffer }>(
      'select normalised_sha256 as hash from host_attempt where execution_id = $1',
      [run.id],
    )
    expect(rows.map((row) => row.hash)).toEqual([hash('at <time>'), hash('at <time>')])
  })

  it('know what was unknown when its journal tells', async () => {
    const run = await play()
    await run.host(0, 'succeeded', wrote('at 1', 'at <time>'))
    await run.host(1, 'unknown', { started: 'maybe', reason: 'interrupted' })
    await run.host(1, 'succeeded', wrote('at 2', 'at <time>'))
    expect(told(await drover.outputGroups(run.id, 0))[1]).toEqual(['g-[1-2]', 'succeeded', 'normalised'])
  })

  it('are made by state and tag alone where that is asked for, whatever was written', async () => {
    const run = await play()
    for (const [index, tag] of ['canary', 'canary', 'canary', undefined].entries())
      await run.host(index, 'succeeded', { ...wrote(`at ${index}`, `of ${index}`), tag })
    await run.host(4, 'failed', { ...wrote('a', 'a'), exitCode: 1, tag: 'canary' })
    await run.host(5, 'failed', { ...wrote('a', 'a'), exitCode: 2, tag: 'canary' })
    const groups = await drover.outputGroups(run.id, 0, 'tag')
    expect(
      groups.map(({ nodeset, state, tag, exitCode, identical }) => [
        nodeset,
        state,
        tag,
        exitCode,
        identical,
      ]),
    ).toEqual([
      ['g-[1-3]', 'succeeded', 'canary', 0, null],
      ['g-[5-6]', 'failed', 'canary', null, 'output'],
      ['g-[7-8]', 'pending', null, null, null],
      ['g-4', 'succeeded', null, 0, 'output'],
    ])
    const tagged: HostResult[] = []
    for await (const host of drover.executionHosts(run.id, 0, { tag: 'canary', states: ['failed'] }))
      tagged.push(host)
    expect(tagged.map((host) => host.hostName)).toEqual(['g-5', 'g-6'])
  })

  it('come by the page, in one order, with their number', async () => {
    const run = await play()
    for (const [index, text] of ['b', 'a', 'b', 'c', 'c', 'd', 'e', 'e'].entries())
      await run.host(index, 'succeeded', wrote(text, text))
    const at = `/executions/${run.id}/steps/0/groups`
    const seen: unknown[] = []
    for (let after = ''; ; ) {
      const { body } = await api.call(`${at}?limit=2${after}`)
      const page = body as unknown as { groups: OutputGroup[]; total: number; next: string | null }
      expect([page.total, page.groups.length]).toEqual([5, page.next === null ? 1 : 2])
      seen.push(...page.groups.map((group) => group.nodeset))
      if (page.next === null) break
      after = `&after=${page.next}`
    }
    expect(seen).toEqual(['g-[1,3]', 'g-[4-5]', 'g-[7-8]', 'g-2', 'g-6'])
    const { body } = await api.call(`${at}?limit=2`)
    const foreign = await api.call(`${at}?by=output&after=${String(body['next'])}`)
    expect([foreign.status, foreign.body.code]).toEqual([400, 'cursor_invalid'])
    expect((await api.call(`${at}?by=colour`)).status).toBe(400)
  })

  it('of ten thousand hosts with outputs of their own are known within two seconds', async () => {
    const run = await play()
    await api.pool.query(
      `insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position, state, started, exit_code,
         stdout_bytes, stderr_bytes, output_sha256, normalised_sha256)
       select $1, $2, $3, 1000000 + n, 'many-' || lpad(n::text, 5, '0'), 100 + n, 'succeeded', 'yes', 0, 4096, 0,
         sha256(n::text::bytea), sha256((n % 3)::text::bytea)
       from generate_series(1, 10000) n`,
      [api.scopeId, run.id, run.stepId],
    )
    const timed = async (by: 'normalised' | 'output') => {
      const from = performance.now()
      const groups = await drover.outputGroups(run.id, 0, by)
      return { groups, ms: performance.now() - from }
    }
    const normalised = await timed('normalised')
    expect(normalised.groups.map((group) => group.hosts)).toEqual([3_334, 3_333, 3_333, 8])
    expect(normalised.groups[0]).toMatchObject({ hostName: 'many-00001', identical: 'normalised' })
    const exact = await timed('output')
    expect(exact.groups).toHaveLength(10_001)
    expect(new Set(exact.groups.map((group) => group.hostId)).size).toBe(10_001)
    expect(normalised.ms).toBeLessThan(2_000)
  })
})

describe('output that is read normalised', () => {
  it('shows what was taken out, line for line, by the names of the host', async () => {
    const run = await play()
    await api.pool.query(
      `insert into host_fact (scope_id, host_id, key, value) values ($1, $2, 'hostname', 'node-7.example.com')`,
      [api.scopeId, hostIds[0]],
    )
    const text = `2026-11-22T00:42:46Z g-1 app[17]: up on node-7, not g-2\nsecond\n`
    await run.write(0, 'stdout', 0, Buffer.from(text))
    await run.host(0, 'succeeded', { ...wrote('x'), stdoutBytes: text.length })
    const place = { executionId: run.id, step: 0, hostId: hostIds[0]!, stream: 'stdout' as const }
    expect(await drover.normalisedOutput(place, 1_000)).toBe(
      '<time> <host> app[<pid>]: up on <host>, not g-2\nsecond\n',
    )
    expect(await drover.normalisedOutput(place, 25)).toBe('<time> <host> ')
    const at = `/executions/${run.id}/steps/0/hosts/${hostIds[0]}/output/stdout`
    expect((await api.call(`${at}?normalised=true&first=0`)).status).toBe(400)
    expect((await api.call(at)).text).toBe(text)
  })
})

describe('a comparison of runs', () => {
  it('takes outputs for the same that differ in what normalising takes out, unless bytes are asked for', async () => {
    const [before, after] = [await play(), await play()]
    await before.host(0, 'succeeded', wrote('at 1', 'at <time>'))
    await after.host(0, 'succeeded', wrote('at 2', 'at <time>'))
    await before.host(1, 'succeeded', wrote('x'))
    await after.host(1, 'succeeded', wrote('y'))
    const compare = async (by?: 'output' | 'normalised') => {
      const was = { executionId: before.id, step: 0 }
      const groups = await drover.compareSteps({ executionId: after.id, step: 0 }, was, by)
      return Object.fromEntries(groups.map((group) => [group.nodeset, group.sameOutput]))
    }
    expect(await compare()).toEqual({ 'g-[3-8]': null, 'g-1': true, 'g-2': false })
    expect(await compare('output')).toEqual({ 'g-[3-8]': null, 'g-[1-2]': false })
  })
})
