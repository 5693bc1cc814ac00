/** `--preview`: the page that a launch is judged by before it starts. */
import { type Drover, DroverError, type Launch, type LaunchPreview, unifiedDiff } from '../sdk/index.js'
import { ownScript, ownUndo } from './step-text.js'
import { tableOf } from './table.js'
import { inPlan, valueText } from './variables.js'
import { harmless, printLines, type Terminal } from './terminal.js'
import { formatDuration, hostsText, parseUse } from './values.js'

type PreviewedStep = LaunchPreview['steps'][number]

export async function showPreview(
  terminal: Terminal,
  drover: Drover,
  launch: Launch,
  options: { json?: true },
): Promise<void> {
  const preview = await drover.preview(launch)
  const { last, steps } = preview
  const diffs = []
  for (const step of steps) {
    const diff = last ? await diffOf(drover, launch, { step, steps }, last.id).catch(nothingToShow) : []
    if (diff.length) diffs.push({ step: step.name, diff })
  }
  if (options.json) return terminal.json({ preview, diffs })
  terminal.data(terminal.tone('strong', `${harmless(preview.name)} on ${hostsOf(preview)}`))
  if (preview.away)
    terminal.data(terminal.tone('warn', `${preview.away} of them have no agent connected now`))
  for (const { of, targeted, hosts } of preview.shares)
    terminal.data(`touches ${targeted} of ${hosts} hosts with ${of}`)
  terminal.data(stepTable(steps))
  for (const { name, in: visit, value } of preview.variables)
    terminal.data(`${harmless(inPlan(visit, name))}=${harmless(valueText(value))}`)
  for (const { name, secrets } of steps)
    for (const [as, version] of Object.entries(secrets))
      terminal.data(`gives ${harmless(name)} the secret ${version} as ${as}`)
  for (const { name, imports } of steps)
    if (imports.length)
      terminal.data(`gives ${harmless(name)} the names of the hosts in ${imports.join(', ')}`)
  for (const name of preview.removed)
    terminal.data(`without the step ${harmless(name)}, which r-${last?.id} had`)
  for (const { step, diff } of diffs) {
    terminal.data(terminal.tone('quiet', `--- ${harmless(step)}, r-${last?.id}`))
    printLines(terminal, diff)
  }
  terminal.data(predictionOf(preview))
  terminal.data(`digest ${preview.digest}`)
  const confirm = preview.confirm === null ? '' : ` (needed here: ${preview.confirm})`
  terminal.talk(`nothing was started; exactly this starts with --digest instead of --preview${confirm}`)
}

/** Whoever may not launch may not read what ran. */
function nothingToShow(error: unknown): string[] {
  if (error instanceof DroverError && error.status === 403) return []
  throw error
}

function hostsOf({ hosts, nodeset }: Pick<LaunchPreview, 'hosts' | 'nodeset'>): string {
  if (!hosts) return '-'
  return `${hostsText(hosts)}: ${nodeset}`
}

/** Where a step runs, or at most. */
function stepHostsOf(step: PreviewedStep): string {
  return step.takes === null
    ? hostsOf(step)
    : `${step.takes}, known when it begins; at most ${hostsText(step.hosts)}`
}

function stepTable(steps: readonly PreviewedStep[]): string {
  const own = steps.some((step) => step.target !== null)
  const rows = steps.map((step) => [
    step.position + 1,
    step.name,
    step.uses ??
      (step.scriptSha256 ? `${step.scriptSha256.slice(0, 12)}, ${step.scriptBytes} bytes` : step.type),
    step.language,
    asOf(step),
    ...(own ? [stepHostsOf(step)] : []),
    step.change === 'changed' ? `changed: ${step.fields.join(', ')}` : step.change,
  ])
  return tableOf(
    ['STEP', 'NAME', 'SCRIPT', 'LANGUAGE', 'AS', ...(own ? ['HOSTS'] : []), 'SINCE THE LAST SUCCESS'],
    rows,
  )
}

/** The account on the host, and the one of the database. */
function asOf({ account, db }: PreviewedStep): string | null {
  if (!db) return account || null
  const place = db.host.startsWith('/') ? db.host : `${db.host}:${db.port}`
  return [account, `${db.user} at ${db.engine} ${place}${db.database ? `/${db.database}` : ''}`]
    .filter(Boolean)
    .join(', ')
}

function predictionOf({ predicted, last }: LaunchPreview): string {
  if (!predicted || !last) return 'no run of this name has succeeded yet: how long it takes is not known'
  const { medianMs, slowestMs, runs } = predicted
  const of = runs === 1 ? 'the one success' : `the last ${runs} successes`
  return `takes ${formatDuration(medianMs)}, at most ${formatDuration(slowestMs)} so far (${of}; the latest is r-${last.id}, on ${last.hosts} hosts)`
}

/** How the text of a step differs from the one that ran last; empty where it does not. */
async function diffOf(
  drover: Drover,
  launch: Launch,
  { step, steps }: { step: PreviewedStep; steps: readonly PreviewedStep[] },
  lastId: string,
): Promise<string[]> {
  if (step.was === null || !step.fields.includes('scriptSha256')) return []
  const { content } = await drover.stepScript(lastId, step.was)
  const of = step.undoes === null ? step : steps[step.undoes]
  return unifiedDiff(content, await textOf(drover, launch, { step, of: of ?? step }))
}

/** @param what.of the step itself, or the one that it takes back, whose part it is */
async function textOf(
  drover: Drover,
  launch: Launch,
  { step, of }: { step: PreviewedStep; of: PreviewedStep },
): Promise<string> {
  if (step.uses !== null) {
    const use = parseUse(step.uses)
    return (await drover.scriptVersion(use.name, use.version ?? 1)).content
  }
  const text = step.undoes === null ? ownScript : ownUndo
  if (of.in) return text(await stepInPlan(drover, of.in, of.name))
  if (launch.script) return launch.script.script ?? ''
  if (launch.sql) return launch.sql.sql ?? ''
  if (launch.plan) return text(ownStep(launch.plan.steps, of))
  if (!launch.job) return ''
  const plan = await drover.plan(launch.job.name, launch.job.plan)
  return text(plan.steps.find(({ name }) => name === of.name))
}

/** Where plans are nested a step stands further on in the run than in its own plan. */
const ownStep = <S extends { name: string }>(steps: readonly S[], { position, name }: PreviewedStep) =>
  steps[position]?.name === name ? steps[position] : steps.find((step) => step.name === name)

/** A step of a nested plan, as it is in the revision. */
async function stepInPlan(
  drover: Drover,
  { step, plan: text }: NonNullable<PreviewedStep['in']>,
  name: string,
) {
  const [path = '', revision] = text.split('@')
  const [job = '', plan = ''] = path.split('/')
  const { steps } = await drover.plan(job, plan, Number(revision))
  return steps.find((inner) => `${step}/${inner.name}` === name)
}
