/** Scenarios about secret variables: where a value may be seen, and that a run has the one that it began with, whatever happens. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { filesBelow, readIfThere } from '../helpers/folder'
import { eventually, Scene } from '../helpers/scene'
import { tablesWith } from '../helpers/whole-database'

describe('secret variables', () => {
  let scene: Scene
  let count = 0

  beforeAll(async () => {
    scene = await Scene.start({ agents: 2 })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const done = async (method: string, at: string, body?: unknown) => {
    const answer = await scene.api.insist<Record<string, unknown>>(method, at, body)
    expect([at, answer.status < 300, answer.body]).toEqual([at, true, answer.body])
    return answer.body
  }
  const file = (name: string) => path.join(scene.effects.folder, name)
  const until = (name: string) => `while [ ! -e ${file(name)} ]; do sleep 0.05; done`
  const seen = (name: string) => eventually(name, () => (existsSync(file(name)) ? true : undefined))
  const canary = (what: string) => `${what}-${randomBytes(20).toString('hex')}`
  const sh = (name: string, script: string, more: object = {}) => ({ name, language: 'sh', script, ...more })

  async function keep(value: string): Promise<string> {
    const name = `secret-${++count}`
    await done('POST', '/secrets', { name, value })
    return name
  }

  /** A job whose only plan is called `all`. */
  async function makeJob(variables: Record<string, unknown>, ...steps: object[]): Promise<string> {
    const name = `job-${++count}`
    const secrets = Object.entries(variables).map(([called, value]) => ({
      name: called,
      type: 'secret',
      value,
    }))
    await done('PUT', `/jobs/${name}`, { steps, variables: secrets })
    await done('PUT', `/jobs/${name}/plans/all`, {})
    return name
  }

  const launch = (name: string, more: object = {}) =>
    scene.api.launch({ target: '*', job: { name, plan: 'all' }, ...more })

  it('scenario 27: are in no command line, environment, file, table, history, log or output, whole or over a border of chunks', async () => {
    const values = { OF_JOB: canary('job'), OF_LAUNCH: canary('launch'), OF_STORE: canary('store') }
    const all = Object.values(values)
    // 64 KiB less 20 bytes before the first: it lies on the border of two chunks.
    const print = `head -c 65516 /dev/zero | tr '\\0' a; cat "$OF_JOB_FILE" "$OF_LAUNCH_FILE" "$OF_STORE_FILE"`
    const copy = `cat "$OF_JOB_FILE" "$OF_LAUNCH_FILE" "$OF_STORE_FILE" > ${file('copy')}.$DROVER_HOST; ${until('looked')}`
    const name = await makeJob(
      { OF_JOB: values.OF_JOB, OF_LAUNCH: 'not this one', OF_STORE: { secret: await keep(values.OF_STORE) } },
      sh('only', `${print}\n{ ${print}; } >&2\n${copy}`),
    )
    const id = await launch(name, { variables: { OF_LAUNCH: values.OF_LAUNCH } })
    const hosts = await scene.api.hosts(id)
    for (const { hostId } of hosts)
      await eventually('the copy', () =>
        existsSync(`${file('copy')}.${hostId}`) &&
        statSync(`${file('copy')}.${hostId}`).size === all.join('').length
          ? true
          : undefined,
      )
    for (const value of all) {
      for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)))
        for (const part of ['environ', 'cmdline'])
          expect([pid, part, readIfThere(`/proc/${pid}/${part}`).includes(value)]).toEqual([pid, part, false])
      // The task's own output file has what the script wrote; it is sent masked.
      for (const at of filesBelow(scene.platform.data).filter((each) => !each.includes('/postgres/')))
        if (!/\/spool\/tasks\/[0-9a-f]+\/std(out|err)$/.test(at))
          expect([at, readIfThere(at).includes(value)]).toEqual([at, false])
      expect(await tablesWith(scene.pool, value)).toEqual([])
    }
    writeFileSync(file('looked'), '')
    expect((await scene.api.ended(id)).state).toBe('succeeded')
    const stars = '*'.repeat(all.join('').length)
    for (const { hostId } of hosts) {
      expect(readFileSync(`${file('copy')}.${hostId}`, 'utf8')).toBe(all.join(''))
      for (const stream of ['stdout', 'stderr'] as const) {
        const out = await eventually('the output', async () => {
          const bytes = await scene.api.output(id, hostId, stream)
          return bytes.length === 65_516 + stars.length ? bytes : undefined
        })
        expect(out.subarray(65_516).toString()).toBe(stars)
      }
    }
    const temporal = await scene.temporal()
    const history = await temporal.workflow.getHandle(`execution/default/${id}`).fetchHistory()
    const text = JSON.stringify(history.events)
    for (const value of all) expect(text.includes(value)).toBe(false)
    for (const value of all) expect(await tablesWith(scene.pool, value)).toEqual([])
  }, 90_000)

  it('scenario 27: stay what they were at the launch for every step, retry and edited script, when they change and workers die', async () => {
    const db = await keep('store 1')
    const write = (name: string) => `cat "$OF_JOB_FILE" "$OF_STORE_FILE" > ${file(name)}.$DROVER_HOST`
    const name = await makeJob(
      { OF_JOB: 'job 1, ', OF_STORE: { secret: db } },
      sh('wait', `touch ${file('frozen-waits')}\n${until('frozen')}`),
      sh('use', `${write('second')}\n[ -e ${file('mended')} ]`),
      sh('last', write('third')),
    )
    const id = await launch(name)
    await seen('frozen-waits')
    await done('POST', `/secrets/${db}/versions`, { value: 'store 2' })
    const job = await done('GET', `/jobs/${name}`)
    const changed = (job['variables'] as { name: string; value: unknown }[]).map((variable) =>
      variable.name === 'OF_JOB' ? { ...variable, value: 'job 2, ' } : variable,
    )
    await done('PUT', `/jobs/${name}`, { steps: job['steps'], variables: changed, revision: job['revision'] })
    await done('POST', `/jobs/${name}/sync`, { revision: 2 })
    scene.platform.child('worker-1').kill('SIGKILL')
    writeFileSync(file('frozen'), '')
    expect((await scene.api.ended(id)).state).toBe('failed')
    const hosts = await scene.api.hosts(id)
    const inAll = (of: string) => hosts.map(({ hostId }) => readFileSync(`${file(of)}.${hostId}`, 'utf8'))
    expect(inAll('second')).toEqual(['job 1, store 1', 'job 1, store 1'])
    await scene.api.operate(id, { kind: 'retry', script: write('edited') })
    await scene.api.until(id, (view) => view.state === 'succeeded')
    expect(inAll('edited')).toEqual(['job 1, store 1', 'job 1, store 1'])
    expect(inAll('third')).toEqual(['job 1, store 1', 'job 1, store 1'])
    writeFileSync(file('mended'), '')
    // Done again: as it was, and as the plan has it by now.
    const sameAgain = async () => scene.api.launch(await done('GET', `/executions/${id}/launch`))
    for (const [again, value] of [
      [sameAgain, 'job 1, store 1'],
      [() => launch(name), 'job 2, store 2'],
    ] as const) {
      expect((await scene.api.ended(await again())).state).toBe('succeeded')
      expect(inAll('third')).toEqual([value, value])
    }
  }, 90_000)

  it('scenario 27: whose value is gone mid-run: the steps after it are refused on every host, and start nowhere', async () => {
    const db = await keep('gone')
    const name = await makeJob(
      { OF_STORE: { secret: db } },
      sh('wait', `touch ${file('gone-waits')}\n${until('gone')}`),
      sh('use', `touch ${file('ran')}`),
    )
    const id = await launch(name)
    await seen('gone-waits')
    await done('POST', `/secrets/${db}/versions/1/destroy`)
    writeFileSync(file('gone'), '')
    expect((await scene.api.ended(id)).state).toBe('failed')
    const refused = { state: 'rejected', started: 'no', reason: 'secret_unavailable' }
    expect(await scene.api.hosts(id, 1)).toMatchObject([refused, refused])
    expect(existsSync(file('ran'))).toBe(false)
  }, 60_000)

  it('are set by no script: drover-set refuses, and what a shell assigns is gone with it', async () => {
    const name = await makeJob(
      { PASSWORD: 'as it was' },
      sh(
        'set',
        `PASSWORD=mine; PASSWORD_FILE=/dev/null; export PASSWORD\nif drover-set PASSWORD mine; then exit 3; fi`,
      ),
      sh('use', `[ -z "$PASSWORD" ] && cat "$PASSWORD_FILE" > ${file('unset')}.$DROVER_HOST`),
    )
    const id = await launch(name)
    expect((await scene.api.ended(id)).state).toBe('succeeded')
    for (const { hostId } of await scene.api.hosts(id)) {
      expect(readFileSync(`${file('unset')}.${hostId}`, 'utf8')).toBe('as it was')
      const said = await scene.api.output(id, hostId, 'stderr')
      expect(said.toString()).toContain('drover-set: this run has no variable PASSWORD')
    }
  }, 60_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
