/** The shapes of scripts that the load launches, and what their own files must say of them in the end. */
import { createHash } from 'node:crypto'
import type { EffectFiles } from './effects'
import { LEFT_ON_PURPOSE } from './processes'

/** What is done to a run from outside while it runs or after it ended. */
export type FollowUp =
  | 'none'
  | 'cancel'
  | 'bulk cancel'
  | 'pause'
  | 'hard pause'
  | 'edited resume'
  | 'retry'
  | 'retry all'
  | 'edited retry'
  | 'retry unknown'
  | 'redo'
  | 'ignore'
  | 'next'
  | 'skip step'
  | 'skip host'
  | 'undo'
  | 'undo paused'

export interface StepShape {
  /** `fails first`: exits 3 at the first time that it runs on a host, and well afterwards. */
  ends: 'well' | 'fails first'
  /** sha256 of all that it writes to standard output, where that is compared. */
  stdoutSha256?: string
}

export interface Shape {
  name: string
  plan: { name: string; variables?: Record<string, unknown>[]; steps: Record<string, unknown>[] }
  target: string
  /** How many hosts the target names. */
  hosts: number
  steps: StepShape[]
  /** Whether each of its tasks sets the variables of `handedOn`, and tells what it saw of them. */
  handsOn?: boolean
  /** Position of the step that comes with a plan of its own, which has the same variables. */
  nested?: number
  followUp: FollowUp
}

interface Context {
  effects: EffectFiles
  random: () => number
  /** Longest sleep of a script, seconds. */
  longest: number
}

interface Step extends StepShape {
  body: string
  more?: Record<string, unknown>
}

const whole = (random: () => number, from: number, to: number) =>
  from + Math.floor(random() * (to - from + 1))
const oneOf = <T>(items: readonly T[], random: () => number): T =>
  items[whole(random, 0, items.length - 1)] as T
const well = (body: string, more: Record<string, unknown> = {}): Step => ({ ends: 'well', body, more })

/**
 * Pseudo-random text of a seed (the "minimal standard" generator, exact in awk's doubles and in ours), in bursts with
 * pauses between, so that faults fall into the middle of a stream.
 */
function chatty({ random, longest }: Context): Step {
  const seed = whole(random, 1, 2_000_000_000)
  const bursts = whole(random, 2, 6)
  const lines = whole(random, 20, 1_500)
  const nap = ((random() * Math.min(longest, 10)) / bursts).toFixed(1)
  const hash = createHash('sha256')
  let state = seed
  for (let b = 0; b < bursts; b++) {
    for (let line = 0; line < lines; line++) {
      state = (state * 16_807) % 2_147_483_647
      hash.update(`${b}.${line} ${state} of some text\n`)
    }
  }
  const burst = `for (i = 0; i < ${lines}; i++) { s = (s * 16807) % 2147483647; printf "%d.%d %d of some text\\n", b, i, s }`
  const body = `awk 'BEGIN { s = ${seed}; for (b = 0; b < ${bursts}; b++) { ${burst}; fflush(); system("sleep ${nap}") } }'`
  return { ends: 'well', body, stdoutSha256: hash.digest('hex') }
}

const forking = `setsid sh -c 'sleep 0.4 & wait' &
(setsid sh -c 'sleep 0.3' &)
(sleep 0.5 &)
(sleep 0.2; true) & wait`

/** Daemons that outlive their script on purpose: one holds its output's pipe, one does not. */
const leaving = `${LEFT_ON_PURPOSE} setsid sleep 8 &
(${LEFT_ON_PURPOSE} setsid sleep 10 > /dev/null 2>&1 &)`

/** Nothing of it may be left after a cancel: other sessions, other parents, and one that is deaf to SIGTERM. */
const stubborn = `setsid sleep 120 &
(setsid sh -c 'sleep 120 & wait' > /dev/null 2>&1 &)
(trap '' TERM; sleep 120) &
wait`

/** Both hold the last task that set them: of the run, and of the host itself. */
const handedOn = [
  { name: 'RUN_LAST', changeable: true, value: 'none' },
  { name: 'HOST_LAST', type: 'perHost', changeable: true, value: 'none' },
]

const handOn = ({ effects, random }: Context): Step =>
  well(
    `${effects.sight(handedOn.map(({ name }) => name))}
sleep ${(random() * 2).toFixed(1)}
RUN_LAST=$DROVER_TASK HOST_LAST=$DROVER_TASK`,
  )

interface Made {
  steps: Step[]
  handsOn?: boolean
  nested?: number
  followUp?: FollowUp
}

const failsFirst = ({ effects }: Context): Step => ({
  ends: 'fails first',
  body: `mkdir ${effects.memory}/$DROVER_STEP-$DROVER_HOST 2> /dev/null && exit 3`,
})

const makers: Record<string, (context: Context) => Made> = {
  short: () => ({ steps: [well('echo hello')] }),
  long: ({ random, longest }) => ({ steps: [well(`sleep ${(1 + random() * (longest - 1)).toFixed(1)}`)] }),
  chatty: (context) => ({ steps: [chatty(context)] }),
  forking: () => ({ steps: [well(forking)] }),
  leaving: () => ({ steps: [well(leaving)] }),
  steps: ({ random }) => ({
    steps: [
      well(`sleep ${random().toFixed(1)}`),
      well('echo two', { concurrency: whole(random, 2, 5) }),
      well('true'),
    ],
  }),
  retried: (context) => ({
    steps: [failsFirst(context), well('echo after')],
    followUp: oneOf(['retry', 'retry all', 'edited retry'], context.random),
  }),
  // Fails only where the driver makes the end of a script unknown.
  unsure: ({ random }) => ({
    steps: [well(`sleep ${whole(random, 2, 8)}`), well('echo after')],
    followUp: 'retry unknown',
  }),
  redone: () => ({ steps: [well('sleep 1'), well('echo after')], followUp: 'redo' }),
  ignored: (context) => ({ steps: [failsFirst(context), well('echo after')], followUp: 'ignore' }),
  variables: (context) => ({ steps: [handOn(context), handOn(context), handOn(context)], handsOn: true }),
  nested: (context) => ({
    steps: [handOn(context), handOn(context), handOn(context)],
    handsOn: true,
    nested: whole(context.random, 0, 2),
  }),
  cancelled: ({ random }) => ({
    steps: [well(stubborn, { graceMs: 500 }), well('true')].slice(0, random() < 0.5 ? 1 : 2),
    followUp: random() < 0.6 ? 'cancel' : 'bulk cancel',
  }),
  paused: ({ random }) => ({
    steps: [well(`sleep ${(1 + random()).toFixed(1)}`, { concurrency: 4, graceMs: 500 }), well('echo after')],
    followUp: oneOf(['pause', 'pause', 'hard pause', 'edited resume'], random),
  }),
  left: ({ random }) => ({
    steps: [well(`sleep ${whole(random, 3, 20)}`, { concurrency: 4, graceMs: 500 }), well('echo after')],
    followUp: 'next',
  }),
  skipping: ({ random }) => ({
    steps: [well(`sleep ${(1 + random() * 3).toFixed(1)}`), well('echo skipped'), well('echo after')],
    followUp: random() < 0.5 ? 'skip step' : 'skip host',
  }),
  undone: ({ effects, random }) => {
    const undo = () => ({
      undo: {
        language: 'sh',
        script: `${effects.line('start')}\nsleep ${(random() * 3).toFixed(1)}\n${effects.line('end')}\n`,
      },
    })
    if (random() < 0.5)
      return { steps: [well('echo one', undo()), well('echo two', undo())], followUp: 'undo' }
    const slowly = `sleep ${(1 + random() * 2).toFixed(1)}`
    return {
      steps: [
        well('echo one', undo()),
        well(slowly, { concurrency: 4, graceMs: 500, ...undo() }),
        well('echo three', undo()),
      ],
      followUp: 'undo paused',
    }
  },
}

/** How often each comes in one deck of the load. */
const deck: [string, number][] = [
  ['short', 4],
  ['long', 3],
  ['chatty', 4],
  ['forking', 2],
  ['leaving', 1],
  ['steps', 2],
  ['variables', 2],
  ['nested', 2],
  ['retried', 3],
  ['unsure', 1],
  ['redone', 1],
  ['ignored', 1],
  ['cancelled', 2],
  ['paused', 2],
  ['left', 1],
  ['skipping', 1],
  ['undone', 2],
]

/** Shuffled by the seed. */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0] as T)
}

/** Shapes without end: deck after deck, shuffled. @param hostNames all that there are */
export function* shapes(context: Context, hostNames: readonly string[]): Generator<Shape, never> {
  for (;;) {
    for (const name of shuffle(
      deck.flatMap(([shape, count]) => Array<string>(count).fill(shape)),
      context.random,
    ))
      yield makeShape(name, context, hostNames)
  }
}

/** One that tells whether every host works: short, on all of them. */
export function probe(effects: EffectFiles, hosts: number): Shape {
  return finish('probe', { target: '*', hosts }, effects, { steps: [well('echo hello')] })
}

function makeShape(name: string, context: Context, hostNames: readonly string[]): Shape {
  const { random, effects } = context
  // Mostly all hosts, for that is what a run is for; sometimes one or a few.
  const few = shuffle(hostNames, random).slice(0, whole(random, 1, hostNames.length))
  const target =
    random() < 0.7
      ? { target: '*', hosts: hostNames.length }
      : { target: `name:${few.join(',')}`, hosts: few.length }
  const made = makers[name]?.(context)
  if (!made) throw new Error(`no shape ${name}`)
  return finish(name, target, effects, made)
}

function finish(
  name: string,
  target: Pick<Shape, 'target' | 'hosts'>,
  effects: EffectFiles,
  { steps, handsOn = false, nested, followUp = 'none' }: Made,
): Shape {
  return {
    name,
    ...target,
    plan: {
      name: `chaos ${name}`,
      ...(handsOn ? { variables: handedOn } : {}),
      steps: steps.map(({ body, more }, index) => ({
        name: `${name} ${index + 1}`,
        language: 'sh',
        script: `${effects.line('start')}\n${body}\n${effects.line('end')}\n`,
        ...more,
      })),
    },
    steps: steps.map(({ ends, stdoutSha256 }) => ({ ends, ...(stdoutSha256 ? { stdoutSha256 } : {}) })),
    ...(handsOn ? { handsOn } : {}),
    ...(nested === undefined ? {} : { nested }),
    followUp,
  }
}

/**
 * What is launched of a shape: where a step of it comes with a plan, the step that brings that one.
 * @param keep makes a plan of steps and variables, and says how steps name it
 */
export async function planOf(
  { plan, nested }: Shape,
  keep: (steps: object[], variables: object[]) => Promise<string>,
): Promise<Shape['plan']> {
  const step = nested === undefined ? undefined : plan.steps[nested]
  if (!step) return plan
  const variables = plan.variables ?? []
  const same = Object.fromEntries(variables.map(({ name }) => [name, name]))
  const bringing = {
    type: 'plan',
    name: step['name'],
    plan: await keep([step], variables),
    follows: same,
    handsBack: same,
  }
  return { ...plan, steps: plan.steps.map((one) => (one === step ? bringing : one)) }
}
