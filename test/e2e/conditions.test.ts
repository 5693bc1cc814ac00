/** Conditions of steps on a real platform: what is not met is skipped, and no script of it starts. */
import { record } from '../helpers/record'
import { useStage } from '../helpers/stage'

describe('conditions', () => {
  const stage = useStage({ agents: 4 })
  const { step, starts } = stage

  const launch = (...steps: object[]) =>
    stage.api.launch({ target: '*', plan: { name: 'conditions', steps } })
  const states = async (id: string) =>
    (await stage.api.get(id)).steps.map(({ state, reason }) => `${state} ${reason}`)

  it('run a step only after what it asks for, first and last ones too', async () => {
    const id = await launch(
      step('never', 'true', { when: 'false' }),
      step('deploy', '[ $DROVER_HOST != 1 ]', { onFailure: 'ignore' }),
      step('all well', 'true', { when: 'steps.deploy.failed == 0' }),
      step('repair', 'true', {
        when: 'steps.deploy.failed > 0 && steps["all well"].state == "skipped"',
      }),
      step('last', 'true', { when: 'steps.repair.succeeded == 0' }),
    )
    expect(await stage.api.ended(id)).toMatchObject({ state: 'succeeded' })
    await record(stage.platform, id, 'conditions')
    expect(await states(id)).toEqual([
      'skipped condition_not_met',
      'ignored null',
      'skipped condition_not_met',
      'succeeded null',
      'skipped condition_not_met',
    ])
    expect(starts(id)).toBe(8)
    expect(
      (await stage.api.hosts(id, 2)).every((host) => host.state === 'skipped' && host.started === 'no'),
    ).toBe(true)
  })

  it('that cannot be told fail their step, and say why; a skip goes past it', async () => {
    const when = '10 / steps.one.failed > 1'
    const id = await launch(step('one', 'true'), step('two', 'true', { when }), step('three', 'true'))
    expect(await stage.api.ended(id)).toMatchObject({ state: 'failed' })
    expect(await states(id)).toEqual(['succeeded null', 'failed condition_failed', 'pending null'])
    expect((await stage.api.operate(id, { kind: 'skip', step: 1 })).status).toBeLessThan(300)
    await stage.api.until(id, (view) => view.continuation === 1 && view.state === 'succeeded')
    expect(starts(id)).toBe(8)
  })

  it('are refused at the launch where they cannot be read', async () => {
    const plan = {
      name: 'conditions',
      steps: [step('one', 'true', { when: 'steps.two.failed > 0' }), step('two', 'true')],
    }
    const answer = await stage.api.call<{ code: string; detail: string }>('POST', '/executions', {
      target: '*',
      plan,
    })
    expect(answer).toMatchObject({
      status: 400,
      body: {
        code: 'plan_invalid',
        detail: expect.stringContaining('"two" is not the name of an earlier step'),
      },
    })
  })
})
