/** `drover jobs ls | show | apply | diff | export | sync | rm`. */
import { readFileSync } from 'node:fs'
import { DroverError, type Drover, type Job, type Plan, type PlanSummary, unifiedDiff } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { concealSecrets, fileOf, type JobFile, printJobFile, printPlan, readJobFile } from './job-file.js'
import { decode } from './script-input.js'
import { connect } from './settings.js'
import { stepText } from './step-text.js'
import { tableOf } from './table.js'
import { harmless, printLines, type Terminal } from './terminal.js'
import { parseJob } from './values.js'

interface Json {
  json?: true
}

export async function listJobs(
  terminal: Terminal,
  options: Json & { name?: string; tag?: string },
): Promise<void> {
  const jobs = []
  for await (const job of connect().jobs({ name: options.name, tag: options.tag })) jobs.push(job)
  if (options.json) return terminal.json({ items: jobs })
  if (!jobs.length)
    return terminal.talk('no jobs; write one as YAML and send it with: drover jobs apply FILE')
  const rows = jobs.map((job) => [
    job.name,
    job.stepNames.length,
    job.outdated ? `${job.plans} (${job.outdated} to sync)` : job.plans,
    job.tags.join(',') || '-',
    job.updatedBy,
    job.description,
  ])
  terminal.data(tableOf(['NAME', 'STEPS', 'PLANS', 'TAGS', 'CHANGED BY', 'DESCRIPTION'], rows))
}

/** @param text a job, or a plan with its steps as they were frozen: deploy-site/staging */
export async function showJob(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { job: name, plan } = parseJob(text)
  if (plan !== undefined) return showPlan(terminal, await drover.plan(name, plan), options)
  const { job, plans } = await read(drover, name)
  if (options.json) return terminal.json({ ...job, plans })
  terminal.data([job.name, harmless(job.description), job.tags.join(', ')].filter(Boolean).join('\n'))
  const steps = job.steps.map((step, at) => [at + 1, step.name, stepText(step)])
  terminal.data(tableOf(['STEP', 'NAME', 'DOES'], steps))
  sayChanged(terminal, job)
  if (!plans.length) return terminal.talk(`no plans; name some under "plans" of its document`)
  const rows = plans.map((one) => [
    `${job.name}/${one.name}`,
    one.chosen?.join(', ') ?? 'all steps',
    stateOf(one),
    one.description,
  ])
  terminal.data(tableOf(['PLAN', 'STEPS', 'STATE', 'DESCRIPTION'], rows))
}

function showPlan(terminal: Terminal, plan: Plan, options: Json): void {
  if (options.json) return terminal.json(plan)
  const text = printPlan(plan, plan.chosen)
  terminal.raw(terminal.interactive ? harmless(text) : text)
  sayChanged(terminal, plan)
  if (plan.needsSync)
    terminal.talk(`needs a sync: see what it changes with drover jobs diff --plan ${plan.job}/${plan.name}`)
}

function stateOf({ needsSync, changedPlans }: PlanSummary): string {
  const changed = changedPlans.length ? `${changedPlans.map(({ plan }) => plan).join(', ')} changed` : ''
  return [needsSync ? 'needs a sync' : '', changed].filter(Boolean).join('; ') || 'in sync'
}

/** Of the plans that its steps bring: they never follow by themselves. */
function sayChanged(terminal: Terminal, { changedPlans }: Pick<PlanSummary, 'changedPlans'>): void {
  for (const { plan, newest } of changedPlans)
    terminal.talk(
      `${plan} has changed since: its revision is ${newest} now, which the step must name to bring it`,
    )
}

/** Which steps bring a plan. */
export async function listUses(terminal: Terminal, text: string, options: Json): Promise<void> {
  const { job, plan } = parseJob(text)
  if (plan === undefined) throw new UsageError(`"${text}" is not a plan; write deploy-site/staging`)
  const answer = await connect().planCitations(job, plan)
  if (options.json) return terminal.json(answer)
  if (!answer.items.length) return terminal.talk(`no step brings ${text}`)
  const rows = answer.items.map((one) => [
    one.plan === null ? one.job : `${one.job}/${one.plan}`,
    one.step,
    one.uses,
  ])
  terminal.data(tableOf(['JOB OR PLAN', 'STEP', 'BRINGS'], rows))
  if (answer.more) terminal.talk('there are more')
}

/** What a sync would change in a plan. */
export async function diffPlan(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { job: name, plan: planName } = parseJob(text)
  if (planName === undefined) throw new UsageError(`"${text}" is not a plan; write deploy-site/staging`)
  const [plan, job] = await Promise.all([drover.plan(name, planName), drover.job(name)])
  const lines = unifiedDiff(printPlan(plan, plan.chosen), printPlan(job, plan.chosen))
  if (options.json) return terminal.json({ plan: text, revision: job.revision, diff: lines })
  if (!lines.length) {
    const hidden = job.variables.some(({ type }) => type === 'secret') && plan.needsSync
    const but = hidden ? ', unless a secret variable has another value: those are not shown' : ''
    return terminal.talk(`a sync changes nothing of what it runs${but}`)
  }
  printLines(terminal, [`--- ${text}`, `+++ ${name}, revision ${job.revision}`, ...lines])
}

async function read(drover: Drover, name: string): Promise<{ job: Job; plans: PlanSummary[] }> {
  const job = await drover.job(name)
  const plans = []
  for await (const plan of drover.plans(name)) plans.push(plan)
  return { job, plans }
}

async function find(drover: Drover, name: string) {
  try {
    return await read(drover, name)
  } catch (error) {
    if (error instanceof DroverError && error.code === 'job_unknown') return undefined
    throw error
  }
}

/** @throws UsageError */
function readFiles(files: readonly string[]): JobFile[] {
  return files.flatMap((file) => {
    const name = file === '-' ? 'standard input' : file
    try {
      return readJobFile(decode(readFileSync(file === '-' ? 0 : file)), name)
    } catch (error) {
      if (error instanceof UsageError) throw error
      throw new UsageError(`cannot read ${name}: ${(error as Error).message}`)
    }
  })
}

/** What a document would change, as lines of a diff; none if nothing. */
function changesOf(file: JobFile, there: { job: Job; plans: PlanSummary[] } | undefined): string[] {
  const after = printJobFile(concealSecrets(file))
  if (!there) return unifiedDiff('', after)
  // Plans that the document does not name are left alone.
  const known = there.plans.filter(({ name }) => Object.hasOwn(file.plans, name))
  return unifiedDiff(printJobFile(fileOf(there.job, known)), after)
}

export async function diffJobs(terminal: Terminal, files: string[], options: Json): Promise<void> {
  if (!files.length) throw new UsageError('name the files to compare, or a plan with --plan')
  const drover = connect()
  const all = []
  for (const file of readFiles(files)) {
    const there = await find(drover, file.job)
    all.push({ job: file.job, isNew: there === undefined, diff: changesOf(file, there) })
  }
  if (options.json) return terminal.json({ items: all })
  for (const { job, isNew, diff } of all) {
    if (!diff.length) {
      terminal.talk(`${job}: nothing to change`)
      continue
    }
    printLines(terminal, [`--- ${isNew ? '(none)' : job}`, `+++ ${job}`, ...diff])
  }
}

interface Applied {
  job: string
  did: 'made' | 'changed' | 'unchanged'
  /** Plans that were made, changed or synced. */
  plans: string[]
  /** Plans of the document that still have older steps. */
  outdated: string[]
}

export async function applyJobs(
  terminal: Terminal,
  files: string[],
  options: Json & { sync?: true },
): Promise<void> {
  const drover = connect()
  const all: Applied[] = []
  // All are read before anything is sent: a slip in the last document changes nothing.
  const read = readFiles(files)
  try {
    for (const file of read) {
      const applied = await apply(drover, file, options.sync ?? false)
      all.push(applied)
      if (options.json) continue
      const plans = applied.plans.length ? `; plans ${applied.plans.join(', ')}` : ''
      terminal.talk(`${applied.job} is ${applied.did}${plans}`)
      if (applied.outdated.length)
        terminal.talk(
          `${applied.job}: ${applied.outdated.join(', ')} keep older steps; see: drover jobs sync`,
        )
    }
  } finally {
    // Also what was done before a document that is refused.
    if (options.json) terminal.json({ items: all })
  }
}

async function apply(drover: Drover, file: JobFile, sync: boolean): Promise<Applied> {
  const { job: name, description, tags, variables, steps } = file
  const there = await find(drover, name)
  const before = there && printJobFile({ ...fileOf(there.job, []) })
  const isSame = before === printJobFile({ ...file, plans: {} })
  const seen = there ? { revision: there.job.revision } : {}
  const job =
    there && isSame ? there.job : await drover.putJob(name, { description, tags, variables, steps, ...seen })
  const plans: string[] = []
  const outdated: string[] = []
  for (const [plan, { description: about, steps: chosen, values }] of Object.entries(file.plans)) {
    const known = there?.plans.find((one) => one.name === plan)
    // Of what is in the answer: a change that somebody else made since is not frozen unseen.
    const wasOutdated = known !== undefined && (known.needsSync || !isSame)
    const isKept = known?.description === about && isSameJson([known.chosen, known.values], [chosen, values])
    if (wasOutdated && !sync) outdated.push(plan)
    if (isKept && !(wasOutdated && sync)) continue
    const content = { description: about, chosen, values, ...(known ? { revision: known.revision } : {}) }
    await drover.putPlan(name, plan, sync ? { ...content, jobRevision: job.revision } : content)
    plans.push(plan)
  }
  return { job: name, did: !there ? 'made' : isSame ? 'unchanged' : 'changed', plans, outdated }
}

// PostgreSQL keeps the keys of a map in an order of its own.
const isSameJson = (a: unknown, b: unknown) => JSON.stringify(sortKeys(a)) === JSON.stringify(sortKeys(b))

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]))
}

export async function exportJobs(terminal: Terminal, names: string[]): Promise<void> {
  const drover = connect()
  const all = [...names]
  if (!names.length) for await (const job of drover.jobs()) all.push(job.name)
  for (const [at, name] of all.entries()) {
    const { job, plans } = await read(drover, name)
    terminal.raw(`${at ? '---\n' : ''}${printJobFile(fileOf(job, plans))}`)
  }
}

/** @param plans all that need it if none is named */
export async function syncJob(
  terminal: Terminal,
  name: string,
  plans: string[],
  options: Json & { revision?: number },
): Promise<void> {
  const drover = connect()
  const revision = options.revision ?? (await drover.job(name)).revision
  const answer = await drover.syncPlans(name, plans.length ? { revision, plans } : { revision })
  if (options.json) return terminal.json({ job: name, ...answer })
  const { synced, refused, more } = answer
  for (const { plan, dropped, droppedValues } of synced) {
    const gone = [...dropped, ...droppedValues.map((name) => `the value of ${name}`)]
    const without = gone.length ? ` (without ${gone.join(', ')}, which the job has no more)` : ''
    terminal.talk(`${plan} is synced${without}`)
  }
  for (const plan of refused)
    terminal.talk(`${plan} chooses none of the steps that the job has now: choose others, or remove it`)
  if (more) terminal.talk('there are more plans: sync again')
  if (!synced.length && !refused.length)
    terminal.talk(`${plans.length ? 'these plans have' : 'every plan has'} the steps of the job`)
  if (refused.length) process.exitCode = exitCodes.conflict
}

/** A job, or a plan: deploy-site/staging. */
export async function removeJob(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { job, plan } = parseJob(text)
  const removed = plan === undefined ? await drover.deleteJob(job) : await drover.deletePlan(job, plan)
  if (options.json) return terminal.json(removed)
  terminal.talk(`${text} is gone; what ran keeps what it ran`)
}
