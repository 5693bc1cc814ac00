/** Search in a run's output: every matching line once, whatever page, document or host it lies on. */
import type { HostId } from '../../domain/id'
import { createDrover, type Drover, type SearchHit } from '../../sdk/index'
import { type ApiFixture, startApiFixture } from './api-fixture'
import { PlayedRun, playSessions } from './played-run'

const HOSTS = 12

describe('search', () => {
  let api: ApiFixture
  let drover: Drover
  let hostIds: HostId[]
  let run: PlayedRun

  beforeAll(async () => {
    api = await startApiFixture()
    drover = createDrover({ url: api.urls[0], token: api.token })
    const names = Array.from({ length: HOSTS }, (_, n) => `s-${n + 1}`)
    hostIds = await api.addHosts(api.scopeId, names)
    await playSessions({ api, hostIds })
    run = await PlayedRun.launch({ api, hostIds }, `name:s-[1-${HOSTS}]`)
    for (let index = 0; index < HOSTS; index++) {
      const out = Buffer.from(`begin\nhost ${index} says Fehler-${index}\nend\n`)
      const err = Buffer.from(index % 3 ? '' : 'warning: Fehler, too')
      await run.write(index, 'stdout', 0, out)
      if (err.length) await run.write(index, 'stderr', 0, err)
      const bytes = { stdoutBytes: out.length, stderrBytes: err.length }
      if (index) await run.host(index, 'succeeded', { exitCode: 0, ...bytes })
      else await run.host(index, 'running')
    }
  }, 120_000)

  afterAll(() => api?.close())

  async function hits(query: Parameters<Drover['searchOutput']>[1]): Promise<SearchHit[]> {
    const found: SearchHit[] = []
    for await (const page of drover.searchOutput(run.id, query)) found.push(...page.items)
    return found
  }
  const short = ({ hostName, stream, line, offset, match }: SearchHit) =>
    `${hostName} ${stream} ${line} ${offset} ${match}`

  it('tells host, stream, line and offset, in the order of hosts and streams', async () => {
    const found = await hits({ text: 'Fehler' })
    expect(found).toHaveLength(HOSTS + HOSTS / 3)
    expect(found.slice(0, 3).map(short)).toEqual([
      's-1 stdout 2 18 Fehler',
      's-1 stderr 1 9 Fehler',
      's-2 stdout 2 18 Fehler',
    ])
    expect(found[0]).toMatchObject({
      step: 0,
      hostId: hostIds[0],
      attempt: 1,
      before: 'host 0 says ',
      after: '-0',
    })
  })

  it.each([1, 2, 5])('finds the same in pages of %d', async (limit) => {
    const all = await hits({ text: 'fehler-?[0-9]*', regex: true, ignoreCase: true })
    expect(await hits({ text: 'fehler-?[0-9]*', regex: true, ignoreCase: true, limit })).toEqual(all)
    expect(all).toHaveLength(HOSTS + HOSTS / 3)
  })

  it('counts by host, and says how many may still write', async () => {
    const counts: number[] = []
    const searched = { hosts: 0, open: 0 }
    for await (const page of drover.countMatches(run.id, { text: 'Fehler' })) {
      counts.push(...page.items.map((item) => item.lines))
      searched.hosts += page.searched.hosts
      searched.open += page.searched.open
    }
    expect(counts).toEqual([2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1])
    expect(searched).toEqual({ hosts: HOSTS, open: 1 })
  })

  it('looks at one host only, and at one step only', async () => {
    expect((await hits({ text: 'Fehler', hostId: hostIds[3]! })).map((hit) => hit.stream)).toEqual([
      'stdout',
      'stderr',
    ])
    expect(await hits({ text: 'Fehler', step: 1 })).toEqual([])
  })

  it('finds what crosses the borders of documents and buckets, in every page, and in a line without an end', async () => {
    const large = await PlayedRun.launch({ api, hostIds }, 'name:s-1')
    const bytes = Buffer.alloc(2_500_000, 'x'.repeat(99) + '\n')
    const at = [65_530, 131_070, 1_048_570, 1_048_572 + 4_096, 2_100_000]
    for (const offset of at) bytes.write('needle', offset)
    const tail = Buffer.alloc(200_000, 'y')
    tail.write('needle', 70_000)
    const whole = Buffer.concat([bytes, tail])
    for (let offset = 0; offset < whole.length; offset += 65_536)
      await large.write(0, 'stdout', offset, whole.subarray(offset, offset + 65_536))
    await large.host(0, 'succeeded', { exitCode: 0, stdoutBytes: whole.length, stderrBytes: 0 })
    const places = [...at, 2_570_000]
    const lines = [...at.map((offset) => Math.floor(offset / 100) + 1), 25_001]
    for (const limit of [1, 100]) {
      const found: SearchHit[] = []
      for await (const page of drover.searchOutput(large.id, { text: 'needle', limit }))
        found.push(...page.items)
      expect(found.map((hit) => hit.offset)).toEqual(places)
      expect(found.map((hit) => hit.line)).toEqual(lines)
    }
  }, 60_000)

  it.each([
    ['?q=', 'request_invalid'],
    [`?q=${'a'.repeat(201)}`, 'request_invalid'],
    ['?q=a%0Ab', 'request_invalid'],
    ['?q=(&regex=true', 'pattern_invalid'],
    ['?q=((a%7B100%7D)%7B100%7D)%7B100%7D&regex=true', 'pattern_invalid'],
    ['?q=a&after=nonsense', 'cursor_invalid'],
  ])('refuses %s in words', async (query, code) => {
    for (const path of ['search', 'search/counts']) {
      const answer = await api.call(`/executions/${run.id}/${path}${query}`)
      expect([answer.status, answer.body.code]).toEqual([400, code])
    }
  })
})
