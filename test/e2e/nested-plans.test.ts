/** Plans as steps on a real platform: what runs, what its variables hold, and what becomes of the run where a part of it fails. */
import { brings, makePlan } from '../helpers/nested-plans'
import { record } from '../helpers/record'
import { useStage } from '../helpers/stage'

describe('a plan as a step', () => {
  const stage = useStage({ agents: 2 })
  const { effects, starts } = stage

  const step = (name: string, body: string, more: object = {}) =>
    stage.step(name, body, { language: 'bash', ...more })
  const launch = (steps: object[], variables: object[] = []) =>
    stage.api.launch({ target: '*', plan: { name: 'outer', steps, variables } })
  const states = async (id: string) =>
    Object.fromEntries(
      (await stage.api.get(id)).steps.map(({ name, state, reason }) => [
        name,
        reason ? `${state} ${reason}` : state,
      ]),
    )
  const output = async (id: string, position: number) => {
    const [host] = await stage.api.hosts(id, position)
    return (await stage.api.output(id, host?.hostId ?? '', 'stdout', position)).toString()
  }

  it('runs its steps with names of their own: values come in and go out where they are mapped, and nowhere else', async () => {
    const show = 'printf "%s|%s|%s" "${A-none}" "${BUILD-none}" "${SECRET-none}"'
    const deep = await makePlan(
      stage.api,
      [step('deep', `${show}\nBUILD=from-deep`)],
      [{ name: 'A' }, { name: 'BUILD', changeable: true }],
    )
    const middle = await makePlan(
      stage.api,
      [
        step('before', `${show}\nBUILD=from-middle\nA=changed`),
        brings('in', deep, { follows: { A: 'BUILD' }, handsBack: { BUILD: 'BUILD' } }),
        step('after', show),
      ],
      [
        { name: 'A', changeable: true },
        { name: 'BUILD', changeable: true, value: 'own' },
      ],
    )
    const id = await launch(
      [
        step('first', 'BUILD=from-first\nA=of-the-run'),
        brings('prepare', middle, { follows: { A: 'BUILD' }, handsBack: { BUILD: 'RESULT' } }),
        step('last', 'printf "%s|%s|%s|%s" "$A" "$BUILD" "$RESULT" "$SECRET"', {
          when: 'variables.RESULT == "from-deep"',
        }),
      ],
      [
        { name: 'A', changeable: true },
        { name: 'BUILD', changeable: true },
        { name: 'RESULT', changeable: true },
        { name: 'SECRET', value: 'of-the-run' },
      ],
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    await record(stage.platform, id, 'nested-plan')
    expect(await states(id)).toEqual({
      first: 'succeeded',
      'prepare/before': 'succeeded',
      'prepare/in/deep': 'succeeded',
      'prepare/after': 'succeeded',
      last: 'succeeded',
    })
    expect(await output(id, 1)).toBe('from-first|own|none')
    expect(await output(id, 2)).toBe('from-middle||none')
    expect(await output(id, 3)).toBe('changed|from-deep|none')
    expect(await output(id, 4)).toBe('of-the-run|from-first|from-deep|of-the-run')
    const { body } = await stage.api.insist<{
      items: { name: string; in: { step: string } | null; values: { position: number }[] }[]
    }>('GET', `/executions/${id}/variables`)
    const set = body.items.map(({ name, in: visit, values }) => [
      visit?.step,
      name,
      values.map((one) => one.position),
    ])
    expect(set).toContainEqual([undefined, 'BUILD', [0]])
    expect(set).toContainEqual(['prepare', 'BUILD', [1]])
    expect(set).toContainEqual(['prepare/in', 'BUILD', [2]])
    expect(set).toContainEqual([undefined, 'RESULT', []])
  })

  it('gives hosts of their own values back to the same hosts', async () => {
    const inner = await makePlan(
      stage.api,
      [step('in', 'SLOT="$SLOT+$DROVER_HOST"')],
      [{ name: 'SLOT', type: 'perHost' }],
    )
    const mapped = { follows: { SLOT: 'MINE' }, handsBack: { SLOT: 'MINE' } }
    const id = await launch(
      [
        step('first', 'MINE="own-$DROVER_HOST"'),
        brings('s', inner, mapped),
        step('last', '[ "$MINE" = "own-$DROVER_HOST+$DROVER_HOST" ]'),
      ],
      [{ name: 'MINE', type: 'perHost' }],
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
  })

  it('is skipped as a whole by its condition, told as it was when it began', async () => {
    const inner = await makePlan(
      stage.api,
      [step('one', 'N=2'), step('two', 'true')],
      [{ name: 'N', changeable: true }],
    )
    const variables = [{ name: 'N', value: '1', changeable: true }]
    const mapped = { follows: { N: 'N' }, handsBack: { N: 'N' } }
    const id = await launch(
      [
        brings('runs', inner, { ...mapped, when: 'variables.N == "1"' }),
        brings('not', inner, { ...mapped, when: 'variables.N == "1" || steps.runs.state != "succeeded"' }),
        step('last', 'true', { when: 'steps["not"].state == "skipped" && steps.runs.hosts == 4' }),
      ],
      variables,
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    expect(await states(id)).toEqual({
      'runs/one': 'succeeded',
      'runs/two': 'succeeded',
      'not/one': 'skipped condition_not_met',
      'not/two': 'skipped condition_not_met',
      last: 'succeeded',
    })
    expect(starts(id, 'one')).toBe(2)
  })

  it('whose failures are ignored is left where one fails, and the run goes on; a retry comes back to the rest', async () => {
    const flag = `${effects.folder}/well-$DROVER_EXECUTION`
    const inner = await makePlan(stage.api, [
      step('one', 'true'),
      step('two', `[ -e ${flag} ]`),
      step('three', 'true'),
    ])
    const id = await launch([brings('s', inner, { onFailure: 'ignore' }), step('last', `touch ${flag}`)])
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    expect(await states(id)).toEqual({
      's/one': 'succeeded',
      's/two': 'ignored',
      's/three': 'skipped plan_left',
      last: 'succeeded',
    })
    expect(starts(id, 'three')).toBe(0)
    expect((await stage.api.operate(id, { kind: 'retry', step: 1 })).status).toBeLessThan(300)
    await stage.api.until(id, (view) => view.continuation === 1 && view.state === 'succeeded')
    expect(await states(id)).toMatchObject({
      's/two': 'succeeded',
      's/three': 'succeeded',
      last: 'succeeded',
    })
    expect([starts(id, 'one'), starts(id, 'two'), starts(id, 'three'), starts(id, 'last')]).toEqual([
      2, 4, 2, 2,
    ])
  })

  it('whose failures are not ignored ends the run, which operations on its steps take up again', async () => {
    const inner = await makePlan(stage.api, [step('one', 'false'), step('two', 'true')])
    const id = await launch([brings('s', inner), step('last', 'true')])
    expect(await stage.api.ended(id)).toMatchObject({ state: 'failed' })
    expect(await states(id)).toEqual({ 's/one': 'failed', 's/two': 'pending', last: 'pending' })
    expect((await stage.api.operate(id, { kind: 'ignore', step: 0 })).status).toBeLessThan(300)
    await stage.api.until(id, (view) => view.continuation === 1 && view.state === 'succeeded')
    expect(await states(id)).toMatchObject({ 's/two': 'succeeded', last: 'succeeded' })
  })

  it('gives its steps no more time than it says', async () => {
    const inner = await makePlan(
      stage.api,
      [step('one', 'sleep 60', { timeoutMs: '${LIMIT}' })],
      [{ name: 'LIMIT', value: '50000' }],
    )
    const id = await launch([brings('s', inner, { stepTimeoutMs: 1_000 })])
    expect(await stage.api.ended(id)).toMatchObject({ state: 'failed' })
    expect((await stage.api.hosts(id)).map(({ state }) => state)).toEqual(['timed_out', 'timed_out'])
  })
})
