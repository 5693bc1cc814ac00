/** Targets of steps on a real platform: each step runs where it says, and nowhere else. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

describe('targets of steps', () => {
  let platform: Platform
  let api: TestApi
  const effects = new Effects()
  /** By the ids of the hosts. */
  let names: ReadonlyMap<string, string>
  const idOf = (wanted: string) => [...names].find(([, name]) => name === wanted)?.[0] ?? ''
  const rackB = () => `${idOf('rack-b-1')}|${idOf('rack-b-2')}`

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 4 })
    api = new TestApi(platform)
    const { body } = await api.insist<{ items: { id: string; name: string }[] }>('GET', '/hosts?limit=1000')
    names = new Map(body.items.map((host) => [host.id, host.name]))
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  const step = (name: string, more: object = {}, script = 'true') => ({
    name,
    language: 'sh',
    script: `${effects.line(name)}\n${script}`,
    ...more,
  })
  /** Names of the hosts on which each word was told, by the scripts themselves. */
  function ranOn(id: string): Record<string, string[]> {
    const ran: Record<string, string[]> = {}
    for (const [line, times] of effects.count(id)) {
      const [word = '', , , host = ''] = line.split(' ')
      ran[word] = [...(ran[word] ?? []), ...Array<string>(times).fill(names.get(host) ?? host)].sort()
    }
    return ran
  }
  async function cli(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [join(__dirname, '../../cli/bin/drover.cjs'), ...args], {
      env: { ...process.env, ...platform.env },
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', (data) => (said.out += String(data)))
    child.stderr.on('data', (data) => (said.err += String(data)))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...said }
  }

  it('are where their scripts run, each host once', async () => {
    const id = await api.launch({
      target: 'name:rack-b-[1-2]',
      plan: {
        name: 'targets',
        steps: [
          step('a', { target: 'name:rack-a-[1-2]' }),
          step('run'),
          step('one', { target: 'name:rack-a-2' }),
        ],
      },
    })
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded' })
    expect(ranOn(id)).toEqual({
      a: ['rack-a-1', 'rack-a-2'],
      run: ['rack-b-1', 'rack-b-2'],
      one: ['rack-a-2'],
    })
  })

  it('count a share of hosts by the step, not by the run', async () => {
    const running = `${effects.folder}/running`
    const script = `echo x >> ${running}; sleep 1; wc -l < ${running}`
    const id = await api.launch({
      target: '*',
      plan: {
        name: 'share',
        steps: [step('two', { target: 'name:rack-a-[1-2]', concurrency: '50%' }, script), step('all')],
      },
    })
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded' })
    const counts = await Promise.all(
      (await api.hosts(id, 0)).map(async ({ hostId }) => Number((await api.output(id, hostId)).toString())),
    )
    // One after the other: half of two hosts, and not half of four.
    expect(counts.sort((a, b) => a - b)).toEqual([1, 2])
  })

  it('are written in a document, previewed, and launched without a target of the run', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-targets-'))
    const file = join(folder, 'site.yaml')
    writeFileSync(
      file,
      `job: site
variables:
  - name: WEB
    type: hostList
    value: name:rack-a-[1-2]
steps:
  - name: web
    target: \${WEB}
    script: echo on $DROVER_HOST
  - name: db
    target: |-
      name:rack-b-1
    script: echo db
plans:
  whole: {}
`,
    )
    expect((await cli('jobs', 'apply', file)).code).toBe(0)
    const exported = await cli('jobs', 'export', 'site')
    expect(exported.out).toContain('target: ${WEB}')
    const again = await cli('jobs', 'diff', file)
    expect(again.err).toContain('site: nothing to change')
    const preview = await cli('run', '--job', 'site/whole', '--preview')
    expect(preview.out).toMatch(/1 +web .*2 hosts: rack-a-\[1-2\]/)
    expect(preview.out).toMatch(/2 +db .*1 host: rack-b-1/)
    const run = await cli('run', '--job', 'site/whole', '--set', 'WEB=name:rack-b-2')
    expect(run.code).toBe(0)
    const [, id = ''] = /(r-\d+) on 2 hosts/.exec(run.err) ?? []
    expect(run.out).toContain('rack-b-2')
    const shown = await cli('runs', 'show', id)
    expect(shown.out).toMatch(/web .*1 succeeded +\$\{WEB\}/)
    // A host of a later step is found by its name, too.
    expect((await cli('runs', 'logs', id, '--host', 'rack-b-1')).out).toBe('db\n')
    expect((await cli('runs', 'redo', id, '--same-hosts')).code).toBe(0)
    const without = await cli('run', '--', 'true')
    expect([without.code, without.err]).toEqual([2, expect.stringContaining('say where it runs with -t')])
    rmSync(folder, { recursive: true })
  })

  describe('that take hosts of earlier steps', () => {
    const hosts = (id: string, position: number) =>
      api.hosts(id, position).then((rows) => rows.map((row) => row.hostName))
    /** Fails on the hosts of rack b, until there is a file. */
    const broken = (flag: string) =>
      step(
        'deploy',
        { target: '*', onFailure: 'ignore' },
        `case $DROVER_HOST in ${rackB()}) [ -e ${flag} ];; esac`,
      )
    const notes = async (id: string) => {
      const { body } = await api.insist<{ items: { type: string; body: { text?: string } }[] }>(
        'GET',
        `/executions/${id}/events?limit=1000`,
      )
      return body.items.filter(({ type }) => type === 'note').map((event) => event.body.text)
    }

    it('run where these came to what is asked for, and nowhere else', async () => {
      const id = await api.launch({
        plan: {
          name: 'taken',
          steps: [
            broken('/none'),
            step('repair', { target: 'step:deploy:failed' }),
            step('check', { target: 'last:succeeded\nstep:deploy:succeeded' }),
          ],
        },
      })
      const ended = await api.ended(id)
      await record(platform, id, 'taken-hosts')
      expect(ended.steps.map(({ state, hosts }) => [state, hosts])).toEqual([
        ['ignored', 4],
        ['succeeded', 2],
        ['succeeded', 4],
      ])
      expect(ranOn(id)).toMatchObject({
        repair: ['rack-b-1', 'rack-b-2'],
        check: ['rack-a-1', 'rack-a-2', 'rack-b-1', 'rack-b-2'],
      })
      expect(await notes(id)).toContainEqual('step 2 runs on 2 hosts: failed hosts of step 1')
    })

    it('scenario 25: keep those that they took, whatever a retry makes of the earlier step', async () => {
      const flag = `${effects.folder}/mended`
      const id = await api.launch({
        plan: {
          name: 'kept',
          steps: [
            broken(flag),
            step(
              'repair',
              { target: 'step:deploy:failed' },
              `# job_import {{JOB_LAST_FAIL}}\necho "$JOB_LAST_FAIL"; [ -e ${flag} ]`,
            ),
            step('after', { target: 'step:deploy:failed', onEmpty: 'skip' }),
          ],
        },
      })
      expect(await api.ended(id)).toMatchObject({ state: 'failed' })
      writeFileSync(flag, '')
      expect((await api.operate(id, { kind: 'retry' })).status).toBeLessThan(300)
      const view = await api.until(
        id,
        ({ continuation, state }) => continuation === 1 && state === 'succeeded',
      )
      expect(view.steps.map(({ state, reason, hosts }) => [state, reason, hosts])).toEqual([
        ['succeeded', null, 4],
        ['succeeded', null, 2],
        ['skipped', 'target_empty', 0],
      ])
      expect(await hosts(id, 1)).toEqual(['rack-b-1', 'rack-b-2'])
      // The second attempts, too, were given what the first ones were.
      for (const host of await api.hosts(id, 1)) {
        expect(host.attempt).toBe(2)
        expect((await api.output(id, host.hostId, 'stdout', 1)).toString()).toBe('rack-b-1\nrack-b-2\n')
      }
      expect(ranOn(id)['repair']).toEqual(['rack-b-1', 'rack-b-1', 'rack-b-2', 'rack-b-2'])
    })

    it('are skipped where there is none, or have failed where they say so', async () => {
      const id = await api.launch({
        target: '*',
        plan: {
          name: 'nobody',
          steps: [
            step('well'),
            step('repair', { target: 'step:well:failed' }),
            step('strict', { target: 'step:well:unknown', onEmpty: 'fail' }),
            step('never'),
          ],
        },
      })
      const view = await api.ended(id)
      expect([view.state, ...view.steps.map(({ state, reason }) => reason ?? state)]).toEqual([
        'failed',
        'succeeded',
        'target_empty',
        'target_empty',
        'pending',
      ])
      expect(Object.keys(ranOn(id))).toEqual(['well'])
      expect(await notes(id)).toContainEqual('there is no host for step 2: failed hosts of step 1')
    })

    it('take them once although the worker dies in between', async () => {
      const id = await api.launch({
        plan: {
          name: 'killed',
          steps: [
            step(
              'deploy',
              { target: '*', onFailure: 'ignore' },
              `sleep 2; case $DROVER_HOST in ${rackB()}) exit 1;; esac`,
            ),
            step('repair', { target: 'step:deploy:failed' }, 'sleep 1'),
            step('again', { target: 'last:all' }),
          ],
        },
      })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      for (const _ of [1, 2, 3]) {
        platform.child('worker-1').kill('SIGKILL')
        await pause(900)
      }
      const view = await api.ended(id, 90_000)
      expect(view).toMatchObject({ state: 'succeeded', steps: [{ hosts: 4 }, { hosts: 2 }, { hosts: 2 }] })
      const { repair, again } = ranOn(id)
      expect([repair, again]).toEqual([
        ['rack-b-1', 'rack-b-2'],
        ['rack-b-1', 'rack-b-2'],
      ])
    }, 120_000)
  })

  describe('imports', () => {
    it('are names of hosts, one a line, in every language; nothing else of a script changes', async () => {
      const declare = ['JOB_LAST_ALL', 'JOB_LAST_SUCCESS', 'JOB_LAST_FAIL', 'WEB'].map(
        (name) => `job_import {{${name}}}`,
      )
      const inShell = declare.map((line) => `# ${line}`).join('\n')
      const print = 'printf "%s|" "$JOB_LAST_ALL" "$JOB_LAST_SUCCESS" "$JOB_LAST_FAIL" "$WEB" "$1"'
      const variables = [{ name: 'WEB', type: 'hostList', value: 'name:rack-b-2\nname:rack-a-1' }]
      const one = { target: 'name:rack-a-2', arguments: ['${WEB} $x'] }
      const id = await api.launch({
        target: '*',
        plan: {
          name: 'imports',
          variables: [],
          steps: [
            {
              name: 'deploy',
              language: 'sh',
              script: `case $DROVER_HOST in ${idOf('rack-b-1')}) exit 1;; esac`,
              onFailure: 'ignore',
            },
            {
              name: 'sh',
              language: 'sh',
              script: `# job_import {{JOB_LAST_FAIL}}\nprintf "%s %s" "$JOB_LAST_FAIL" "$1"`,
              ...one,
            },
          ],
        },
      })
      expect(await api.ended(id)).toMatchObject({ state: 'succeeded' })
      const output = async (run: string, position: number) => {
        const [host] = await api.hosts(run, position)
        return (await api.output(run, host?.hostId ?? '', 'stdout', position)).toString()
      }
      // Where a run has no variables, an argument stays as it was written.
      expect(await output(id, 1)).toBe('rack-b-1 ${WEB} $x')
      const second = await api.launch({
        target: '*',
        plan: {
          name: 'imports',
          variables,
          steps: [
            {
              name: 'deploy',
              language: 'sh',
              script: `case $DROVER_HOST in ${rackB()}) exit 1;; esac`,
              onFailure: 'ignore',
            },
            { name: 'bash', script: `${inShell}\n${print}`, target: 'name:rack-a-2', arguments: ['x'] },
            {
              name: 'python',
              language: 'python',
              script: `${inShell}\nimport os\nprint(os.environ["JOB_LAST_ALL"], os.environ["WEB"].split())`,
              target: 'name:rack-a-2',
            },
            {
              name: 'without',
              language: 'sh',
              script: 'printf "%s" "${WEB-unset} ${JOB_LAST_ALL-unset}"',
              target: 'name:rack-a-2',
            },
          ],
        },
      })
      expect(await api.ended(second)).toMatchObject({ state: 'succeeded' })
      const all = 'rack-a-1\nrack-a-2\nrack-b-1\nrack-b-2'
      expect(await output(second, 1)).toBe(
        `${all}|rack-a-1\nrack-a-2|rack-b-1\nrack-b-2|rack-a-1\nrack-b-2|x|`,
      )
      expect(await output(second, 2)).toBe(`rack-a-2 ['rack-a-1', 'rack-b-2']\n`)
      expect(await output(second, 3)).toBe('unset unset')
      const vars = await cli('runs', 'vars', second)
      expect(vars.out).toMatch(/JOB_LAST_FAIL +step 2 +rack-b-1 rack-b-2 +given to its script/)
      expect(vars.out).toMatch(/WEB +step 3 +rack-a-1 rack-b-2/)
    })
  })
})
