/** `drover jobs ls | show | apply | diff | export | sync | rm`. */
import { readFileSync } from 'node:fs'
import { DroverError, type Drover, type Job, type PlanSummary, unifiedDiff } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { fileOf, type JobFile, printJobFile, readJobFile } from './job-file.js'
import { decode } from './script-input.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'

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

export async function showJob(terminal: Terminal, name: string, options: Json): Promise<void> {
  const drover = connect()
  const { job, plans } = await read(drover, name)
  if (options.json) return terminal.json({ ...job, plans })
  terminal.data([job.name, harmless(job.description), job.tags.join(', ')].filter(Boolean).join('\n'))
  const steps = job.steps.map((step, at) => [at + 1, step.name, step.uses ?? step.language ?? 'bash'])
  terminal.data(tableOf(['STEP', 'NAME', 'SCRIPT'], steps))
  if (!plans.length) return terminal.talk(`no plans; name some under "plans" of its document`)
  const rows = plans.map((plan) => [
    `${job.name}/${plan.name}`,
    plan.chosen?.join(', ') ?? 'all steps',
    plan.needsSync ? 'needs a sync' : 'in sync',
    plan.description,
  ])
  terminal.data(tableOf(['PLAN', 'STEPS', 'STATE', 'DESCRIPTION'], rows))
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
  const after = printJobFile(file)
  if (!there) return unifiedDiff('', after)
  // Plans that the document does not name are left alone.
  const known = there.plans.filter(({ name }) => name in file.plans)
  return unifiedDiff(printJobFile(fileOf(there.job, known)), after)
}

export async function diffJobs(terminal: Terminal, files: string[], options: Json): Promise<void> {
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
    for (const line of [`--- ${isNew ? '(none)' : job}`, `+++ ${job}`, ...diff])
      terminal.data(terminal.interactive ? harmless(line) : line)
  }
}

interface Applied {
  job: string
  did: 'made' | 'changed' | 'unchanged'
  plans: string[]
  synced: string[]
}

export async function applyJobs(
  terminal: Terminal,
  files: string[],
  options: Json & { sync?: true },
): Promise<void> {
  const drover = connect()
  const all: Applied[] = []
  // All are read before anything is sent: a slip in the last document changes nothing.
  for (const file of readFiles(files)) {
    const applied = await apply(drover, file, options.sync ?? false)
    all.push(applied)
    if (options.json) continue
    const plans = applied.plans.length ? `; plans ${applied.plans.join(', ')}` : ''
    terminal.talk(`${applied.job} is ${applied.did}${plans}`)
    if (applied.synced.length) terminal.talk(`${applied.job}: synced ${applied.synced.join(', ')}`)
  }
  if (options.json) terminal.json({ items: all })
}

async function apply(drover: Drover, file: JobFile, sync: boolean): Promise<Applied> {
  const { job: name, description, tags, steps } = file
  const there = await find(drover, name)
  const before = there && printJobFile({ ...fileOf(there.job, []) })
  const isSame = before === printJobFile({ ...file, plans: {} })
  const seen = there ? { revision: there.job.revision } : {}
  if (!isSame) await drover.putJob(name, { description, tags, steps, ...seen })
  const plans: string[] = []
  for (const [plan, { description: about, steps: chosen }] of Object.entries(file.plans)) {
    const known = there?.plans.find((one) => one.name === plan)
    const content = { description: about, chosen }
    if (known && known.description === about && JSON.stringify(known.chosen) === JSON.stringify(chosen))
      continue
    await drover.putPlan(name, plan, known ? { ...content, revision: known.revision } : content)
    plans.push(plan)
  }
  const did = !there ? 'made' : isSame ? 'unchanged' : 'changed'
  const synced = sync ? await syncAll(drover, name) : []
  return { job: name, did, plans, synced }
}

async function syncAll(drover: Drover, name: string, plans?: string[]): Promise<string[]> {
  const { revision } = await drover.job(name)
  const { synced } = await drover.syncPlans(name, plans?.length ? { revision, plans } : { revision })
  return synced.map(({ plan, dropped }) =>
    dropped.length ? `${plan} (without ${dropped.join(', ')}, which the job has no more)` : plan,
  )
}

export async function exportJobs(terminal: Terminal, names: string[]): Promise<void> {
  const drover = connect()
  const all = names.length ? names : []
  if (!names.length) for await (const job of drover.jobs()) all.push(job.name)
  const texts = []
  for (const name of all) {
    const { job, plans } = await read(drover, name)
    texts.push(printJobFile(fileOf(job, plans)))
  }
  terminal.raw(texts.join('---\n'))
}

/** @param plans all that need it if none is named */
export async function syncJob(
  terminal: Terminal,
  name: string,
  plans: string[],
  options: Json,
): Promise<void> {
  const synced = await syncAll(connect(), name, plans)
  if (options.json) return terminal.json({ job: name, synced })
  terminal.talk(synced.length ? `synced ${synced.join(', ')}` : 'every plan has the steps of its job')
}

/** A job, or a plan: deploy-site/staging. */
export async function removeJob(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const [job = '', plan, more] = text.split('/')
  if (more !== undefined)
    throw new UsageError(`"${text}" is neither a job nor a plan; write deploy-site/staging`)
  const removed = plan === undefined ? await drover.deleteJob(job) : await drover.deletePlan(job, plan)
  if (options.json) return terminal.json(removed)
  terminal.talk(`${text} is gone; what ran keeps what it ran`)
}
