/** Variables on a real platform: from the launch through scripts to the steps after them, and what is recorded of it. */
import { existsSync, writeFileSync } from 'node:fs'
import { record } from '../helpers/record'
import { useStage } from '../helpers/stage'

interface RunVariable {
  name: string
  initial: unknown
  inputs: { position: number; value: unknown; isText: boolean }[]
  values: { position: number; value: unknown; hostName: string; hosts: number; agreed: boolean }[]
}

describe('variables', () => {
  const stage = useStage({ agents: 4 })
  const { effects } = stage

  /** A step that leaves what `print` prints among the effects. */
  const show = (name: string, print: string, more: object = {}) =>
    stage.step(name, print, { language: 'bash', ...more })
  const launch = (variables: object[], ...steps: object[]) =>
    stage.api.launch({ target: '*', plan: { name: 'variables', variables, steps } })
  const run = async (variables: object[], ...steps: object[]) => {
    const id = await launch(variables, ...steps)
    const ended = await stage.api.ended(id)
    return { id, state: ended.state, steps: ended.steps }
  }
  const output = async (id: string, step: number) =>
    Promise.all(
      (await stage.api.hosts(id, step)).map(async ({ hostId }) =>
        (await stage.api.output(id, hostId, 'stdout', step)).toString(),
      ),
    )
  const variablesOf = async (id: string) => {
    const { body } = await stage.api.insist<{ items: RunVariable[] }>('GET', `/executions/${id}/variables`)
    return Object.fromEntries(body.items.map((item) => [item.name, item]))
  }
  const notes = async (id: string) => {
    const path = `/executions/${id}/events?limit=1000`
    const { body } = await stage.api.insist<{ items: { type: string; body: { text?: string } }[] }>(
      'GET',
      path,
    )
    return body.items.filter(({ type }) => type === 'note').map((event) => event.body.text)
  }

  it('scenario 26: reach scripts of five languages byte for byte, and are never read as shell text', async () => {
    const value = `$(touch ${effects.folder}/stolen)\n"it's" \\ \`x\` -rf \u{1f600}`
    const texts: [string, string][] = [
      ['bash', 'printf %s "$V"'],
      ['sh', 'printf %s "$V"'],
      ['python', 'import os\nprint(os.environ["V"], end="")'],
      ['perl', 'print $ENV{V}'],
      ['node', 'process.stdout.write(process.env.V)'],
      ['sh', 'printf %s "$1"'],
    ]
    const steps = texts.map(([language, script], at) => ({
      name: `step ${at}`,
      language,
      script,
      arguments: ['${V}'],
    }))
    const { id, state } = await run([{ name: 'V', value }], ...steps)
    expect(state).toBe('succeeded')
    for (const at of steps.keys()) expect(await output(id, at)).toEqual([value, value, value, value])
    expect(existsSync(`${effects.folder}/stolen`)).toBe(false)
  })

  it('set by a script hold for the steps after it, whatever bytes they are', async () => {
    const { id, state } = await run(
      [
        { name: 'BYTES', changeable: true, value: 'old' },
        { name: 'L', type: 'list', changeable: true },
        { name: 'M', type: 'map', changeable: true, value: { a: '1' } },
        { name: 'SAME', value: 'fixed' },
      ],
      show('set', `BYTES=$'\\xff\\n'; L=(x "y z"); M[b]=2; SAME=changed`),
      show('use', 'printf %s "$BYTES" | od -An -tx1; echo "${#L[@]} ${L[1]} ${M[a]}${M[b]} $SAME"'),
    )
    expect(state).toBe('succeeded')
    await record(stage.platform, id, 'variables')
    expect((await output(id, 1))[0]).toBe(' ff 0a\n2 y z 12 fixed\n')
    expect(await variablesOf(id)).toMatchObject({
      L: {
        initial: [],
        inputs: [
          { position: 0, value: [] },
          { position: 1, value: ['x', 'y z'] },
        ],
        values: [{ position: 0, value: ['x', 'y z'], hosts: 4, agreed: true }],
      },
      BYTES: { values: [{ isText: false }] },
      SAME: { initial: 'fixed', inputs: [], values: [] },
    })
  })

  it('stand in arguments, folder, account and time limit; a value that does not fit sends nothing', async () => {
    const { id, state, steps } = await run(
      [
        { name: 'WHERE', value: 'usr' },
        { name: 'LIMIT', changeable: true, value: '60000' },
      ],
      show('fits', 'pwd; echo "$1"; LIMIT=soon', {
        workingDirectory: '/${WHERE}/bin',
        arguments: ['a ${WHERE} $${WHERE}'],
        timeoutMs: '${LIMIT}',
      }),
      show('unfit', 'true', { timeoutMs: '${LIMIT}' }),
    )
    expect((await output(id, 0))[0]).toBe('/usr/bin\na usr ${WHERE}\n')
    expect(state).toBe('failed')
    expect(steps[1]?.counts).toEqual({ rejected: 4 })
    expect((await stage.api.hosts(id, 1))[0]).toMatchObject({ reason: 'variable_invalid', started: 'no' })
    expect(await notes(id)).toContainEqual(expect.stringContaining('the time limit ${LIMIT} is "soon"'))
  })

  it('scenario 25: are those of the first host that succeeded; a retry later changes nothing that was used', async () => {
    const flag = `${effects.folder}/mended`
    const [first, second, , fourth] = await stage.api.hosts((await run([], show('look', 'true'))).id)
    const id = await launch(
      [{ name: 'A', changeable: true, value: 'none' }],
      show('set', `[ $DROVER_HOST != ${first?.hostId} ] || [ -e ${flag} ] || exit 1; A="from $DROVER_HOST"`, {
        onFailure: 'ignore',
      }),
      show('use', `echo "$A"; [ $DROVER_HOST != ${fourth?.hostId} ] || [ -e ${flag} ]`),
      show('last', 'echo "$A"'),
    )
    await stage.api.ended(id)
    expect((await stage.api.hosts(id, 0))[0]).toMatchObject({ state: 'failed' })
    expect((await variablesOf(id))['A']?.values).toEqual([
      expect.objectContaining({ position: 0, hostName: second?.hostName, hosts: 3, agreed: false }),
    ])
    const used = (await output(id, 1))[0]
    expect(used).toBe(`from ${second?.hostId}\n`)
    writeFileSync(flag, '')
    expect((await stage.api.operate(id, { kind: 'retry' })).status).toBeLessThan(300)
    await stage.api.until(id, (view) => view.continuation === 1 && view.state === 'succeeded')
    // The step that had begun keeps what it began with, in its second attempt, too; the one after it gets the new value.
    expect(await output(id, 1)).toEqual([used, used, used, used])
    expect((await output(id, 2))[0]).toBe(`from ${first?.hostId}\n`)
    const { inputs = [], values = [] } = (await variablesOf(id))['A'] ?? {}
    expect(inputs.map(({ value }) => value)).toEqual(['none', used?.trim(), `from ${first?.hostId}`])
    expect(values.map(({ hosts }) => hosts)).toEqual([3, 4])
  })

  it('about which hosts must agree fail the step, and keep what they had', async () => {
    const { id, state, steps } = await run(
      [{ name: 'A', changeable: true, value: 'old', onDisagreement: 'fail' }],
      show('differ', 'A=$DROVER_HOST'),
      show('never', 'true'),
    )
    expect([state, steps[0]?.state, steps[0]?.reason]).toEqual(['failed', 'failed', 'variable_disagreement'])
    expect((await variablesOf(id))['A']?.values).toEqual([])
    expect(await notes(id)).toContainEqual(expect.stringContaining('do not agree'))
  })

  it('of each host are its own from step to step', async () => {
    const { id, state } = await run(
      [{ name: 'SLOT', type: 'perHost', value: 'none' }],
      show('set', '[ $DROVER_HOST = 2 ] || SLOT="of $DROVER_HOST"'),
      show('use', 'echo "$SLOT"'),
    )
    expect(state).toBe('succeeded')
    const hosts = await stage.api.hosts(id, 1)
    const expected = hosts.map(({ hostId }) => (hostId === '2' ? 'none\n' : `of ${hostId}\n`))
    expect(await output(id, 1)).toEqual(expected)
  })

  it('scenario 24: that were lost are recorded, and the step decides', async () => {
    const lost = (more: object) =>
      run(
        [{ name: 'A', changeable: true, value: 'old' }],
        show('lose', 'A=new; exec true', more),
        show('use', 'echo "$A"'),
      )
    const failed = await lost({})
    expect(failed.state).toBe('failed')
    expect((await stage.api.hosts(failed.id, 0))[0]).toMatchObject({
      state: 'failed',
      exitCode: 0,
      reason: 'variable_not_captured',
    })
    const kept = await lost({ onUncaptured: 'keep' })
    expect(kept.state).toBe('succeeded')
    expect((await stage.api.hosts(kept.id, 0))[0]).toMatchObject({
      state: 'succeeded',
      reason: 'variable_not_captured',
    })
    expect((await output(kept.id, 1))[0]).toBe('old\n')
  })

  it('are asked for by conditions', async () => {
    const { steps } = await run(
      [{ name: 'A', changeable: true, value: 'old' }],
      show('set', 'A=new'),
      show('met', 'true', { when: 'variables.A == "new"' }),
      show('not met', 'true', { when: 'variables.A == "old"' }),
    )
    expect(steps.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'skipped'])
  })

  it('are told beside tags by hosts that were killed meanwhile', async () => {
    const id = await launch(
      [{ name: 'A', changeable: true, value: 'old' }],
      show('set', 'A="new $DROVER_HOST"; drover-tag "slot $((DROVER_HOST % 2))"; sleep 2'),
      show('use', 'echo "$A"'),
    )
    await stage.api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    for (const name of ['rack-a-1', 'rack-a-2', 'rack-b-1', 'rack-b-2'])
      stage.platform.child(name).kill('SIGKILL')
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    const hosts = await stage.api.hosts(id, 0)
    expect(hosts.map(({ tag }) => tag)).toEqual(hosts.map(({ hostId }) => `slot ${Number(hostId) % 2}`))
    expect((await output(id, 1))[0]).toBe(`new ${hosts[0]?.hostId}\n`)
  })
})
