/** Nested plans on a real platform whose steps take hosts, are taken back, and are given secrets of their visit. */
import { readFileSync } from 'node:fs'
import { brings, makePlan } from '../helpers/nested-plans'
import { record } from '../helpers/record'
import { useStage } from '../helpers/stage'

describe('a nested plan', () => {
  const stage = useStage({ agents: 3 })
  const { effects, step: sh } = stage

  const undo = (name: string, body: string) => {
    const { language, script } = sh(`undo-${name}`, body)
    return { undo: { language, script } }
  }
  const launch = (steps: object[], variables: object[] = []) =>
    stage.api.launch({ target: '*', plan: { name: 'outer', steps, variables } })
  const hostIds = async () =>
    (await stage.api.insist<{ items: { id: string }[] }>('GET', '/hosts?limit=1000')).body.items.map(
      ({ id }) => id,
    )
  const order = (id: string) =>
    readFileSync(`${effects.folder}/${id}`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
  const on = async (id: string, position: number) =>
    (await stage.api.hosts(id, position)).map(({ hostId }) => hostId).sort()

  it('is undone step by step, newest first, with the values and secrets of its visit, masked', async () => {
    const value = 'hunter2-of-the-launch'
    const show = 'printf "%s|%s|%s" "$BUILD" "$(wc -c < "$PW_FILE" | tr -d " ")" "$(cat "$PW_FILE")"'
    const inner = await makePlan(
      stage.api,
      [
        sh('one', 'BUILD=made', undo('one', show)),
        sh('two', 'BUILD=later', undo('two', show)),
        sh('never', 'true', { when: 'variables.BUILD == "no"', ...undo('never', 'true') }),
      ],
      [
        { name: 'BUILD', changeable: true },
        { name: 'PW', type: 'secret', required: true },
      ],
    )
    const id = await launch(
      [
        sh('first', 'N=2', undo('first', '[ -z "$PW_FILE" ] && [ -s "$MINE_FILE" ]')),
        // What the condition asks for holds no more when the run is undone.
        brings('in', inner, { follows: { PW: 'MINE' }, when: 'variables.N == "2"', onFailure: 'ignore' }),
        sh('last', 'N=3; exit 3'),
      ],
      [
        { name: 'N', value: '1', changeable: true },
        { name: 'MINE', type: 'secret', value },
      ],
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'failed' })
    expect((await stage.api.operate(id, { kind: 'undo' })).body).toMatchObject({ state: 'accepted' })
    await stage.api.until(id, (now) => now.state === 'cancelled' && now.reason === 'undone')
    await record(stage.platform, id, 'nested-plan-undone')
    const { steps } = await stage.api.get(id)
    expect(steps.map(({ name, state, reason }) => [name, state, reason])).toEqual([
      ['first', 'succeeded', null],
      ['in/one', 'succeeded', null],
      ['in/two', 'succeeded', null],
      ['in/never', 'skipped', 'condition_not_met'],
      ['last', 'failed', null],
      ['in/undo of never', 'skipped', 'nothing_to_undo'],
      ['in/undo of two', 'succeeded', null],
      ['in/undo of one', 'succeeded', null],
      ['undo of first', 'succeeded', null],
    ])
    const undone = order(id).filter((word) => word.startsWith('undo-'))
    expect(undone).toEqual(['two', 'one', 'first'].flatMap((name) => Array(3).fill(`undo-${name}`)))
    const stars = `${value.length}|${'*'.repeat(value.length)}`
    for (const { hostId } of await stage.api.hosts(id, 0)) {
      expect((await stage.api.output(id, hostId, 'stdout', 6)).toString()).toBe(`later|${stars}`)
      expect((await stage.api.output(id, hostId, 'stdout', 7)).toString()).toBe(`made|${stars}`)
    }
  })

  it('goes to hosts of its own, takes those of its earlier steps, and is left where it must have some and there are none', async () => {
    const [first = '', ...others] = (await hostIds()).sort()
    const inner = await makePlan(
      stage.api,
      [
        sh('try', `[ $DROVER_HOST != ${first} ]`, { onFailure: 'ignore' }),
        sh('mend', 'printf "%s" "$JOB_LAST_FAIL" > /dev/null', { target: 'last:failed' }),
        sh('own', 'true', { target: '${WEB}' }),
        sh('must', 'true', { target: 'step:own:failed', onEmpty: 'fail' }),
        sh('rest', 'true'),
      ],
      [{ name: 'WEB', type: 'hostList' }],
    )
    const id = await launch(
      [
        sh('before', 'true'),
        brings('in', inner, { follows: { WEB: 'MINE' }, onFailure: 'ignore' }),
        sh('last', 'true'),
      ],
      [{ name: 'MINE', type: 'hostList', value: `id:${others[0]}` }],
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    const { steps } = await stage.api.get(id)
    expect(steps.map(({ name, state, reason }) => [name, state, reason])).toEqual([
      ['before', 'succeeded', null],
      ['in/try', 'ignored', null],
      ['in/mend', 'succeeded', null],
      ['in/own', 'succeeded', null],
      ['in/must', 'ignored', 'target_empty'],
      ['in/rest', 'skipped', 'plan_left'],
      ['last', 'succeeded', null],
    ])
    expect([await on(id, 2), await on(id, 3), await on(id, 6)]).toEqual([
      [first],
      [others[0]],
      [first, ...others].sort(),
    ])
  })
})
