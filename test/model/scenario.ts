/** Random plans, and what random people and scripts do to their runs. */
import fc from 'fast-check'
import type { Operation } from './operate'
import type { StepPlan, Visit, When } from './run'

/** Places are taken modulo what there is when their time comes. */
export type Command =
  | { do: 'finish'; which: number; isWell: boolean }
  /** All scripts that run come to their ends. */
  | { do: 'finish all'; areWell: boolean[] }
  | { do: 'operate'; operation: Operation }

export interface Scenario {
  plan: StepPlan[]
  commands: Command[]
}

export const HOSTS = 3
const STEPS_MAX = 4

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 })
const rarely = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })

const mostly = <T, U>(value: fc.Arbitrary<T>, otherwise: U) =>
  fc.oneof(
    { weight: 3, arbitrary: value as fc.Arbitrary<T | U> },
    { weight: 1, arbitrary: fc.constant(otherwise) },
  )

/** `which` of the steps that it may ask for, modulo what there is. */
const when = fc.record({
  which: fc.nat(STEPS_MAX - 1),
  ask: fc.constantFrom('failed' as const, 'succeeded' as const, 'skipped' as const),
  any: fc.boolean(),
})

const step = fc.record({
  kind: fc.oneof(
    { weight: 9, arbitrary: fc.constant('script' as const) },
    { weight: 1, arbitrary: fc.constant('nap' as const) },
    { weight: 1, arbitrary: fc.constant('wait' as const) },
  ),
  retries: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2 })),
  ignore: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  limit: rarely(fc.integer({ min: 1, max: 2 })),
  when: maybe(when),
})

/** Some of the steps, side by side, come with a plan that a step brings. */
const nested = fc.record({
  first: maybe(fc.nat(STEPS_MAX - 1)).map((first = 0) => first),
  more: mostly(fc.constant(STEPS_MAX - 1), 0),
  ignore: mostly(fc.constant(true), false),
  when: maybe(when),
})

/** What the step is called that brings a plan. */
export const BRINGS = 'in'

const plan = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: STEPS_MAX }), mostly(nested, undefined))
  .map(([steps, draft]): StepPlan[] => {
    const first = (draft?.first ?? 0) % steps.length
    const end = Math.min(first + 1 + (draft?.more ?? 0), steps.length)
    const isInside = (at: number) => draft !== undefined && at >= first && at < end
    // A condition asks of what stands before it and has its names: a plan's steps see each other, out there they are one.
    const known = (before: number, inside: boolean): Named[] => {
      const alone = steps.flatMap((_, at) =>
        at < before && isInside(at) === inside ? [{ name: `s${at}`, of: [at] }] : [],
      )
      const of = steps.flatMap((_, at) => (isInside(at) ? [at] : []))
      return draft && !inside && end <= before ? [...alone, { name: BRINGS, of }] : alone
    }
    const visit: Visit | undefined = draft && {
      first,
      end,
      ignore: draft.ignore,
      when: asking(draft.when, known(first, false)),
    }
    return steps.map((one, at) => ({
      ...one,
      when: asking(one.when, known(at, isInside(at))),
      visit: isInside(at) ? visit : undefined,
    }))
  })

type Named = Pick<When, 'name' | 'of'>
type Asked = Pick<When, 'ask' | 'any'> & { which: number }

function asking(asked: Asked | undefined, known: readonly Named[]): When | undefined {
  const named = asked && known[asked.which % known.length]
  return named && { ...named, ask: asked.ask, any: asked.any }
}

// More often one of the first: those that a run has been at.
const place = fc.tuple(fc.nat(STEPS_MAX), fc.nat(STEPS_MAX)).map(([a, b]) => Math.min(a, b))
const seen = rarely(fc.constantFrom('open' as const, 'ended' as const))
const yes = fc.constant(true as const)

const operation: fc.Arbitrary<Operation> = fc
  .oneof(
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), seen }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), hard: maybe(yes), seen }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('resume' as const), seen }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('retry' as const),
        step: maybe(place),
        all: maybe(yes),
        seen,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('skip' as const), step: place, seen }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('skip' as const),
        step: place,
        host: fc.nat(HOSTS - 1),
        seen,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('ignore' as const), step: place, seen }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('next' as const), step: maybe(place), seen }) },
  )
  // What is not said is left out.
  .map(
    (all) =>
      Object.fromEntries(
        Object.entries(all).filter(([, value]) => value !== undefined),
      ) as unknown as Operation,
  )

const isWell = fc.oneof(
  { weight: 2, arbitrary: fc.constant(true) },
  { weight: 1, arbitrary: fc.constant(false) },
)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(HOSTS - 1), isWell }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('finish all' as const),
      areWell: fc.array(isWell, { minLength: HOSTS, maxLength: HOSTS }),
    }),
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('operate' as const), operation }) },
)

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  plan,
  commands: fc.array(command, { minLength: 10, maxLength: 20 }),
})
