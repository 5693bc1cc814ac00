/** `npm run chaos`: as many kills as asked for, with a verdict each 25 and the sum of all in the last line. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { listenForShutdown } from '../../base/shutdown'
import { checkout } from '../../stack/embedded/find'
import { fail, say, tone, UsageError, wholeNumber } from '../../stack/program/console'
import { defaults, LEAST_STARTS_PER_SECOND, runChaos } from './chaos'
import { faultsOf, PROGRESS_VERSION, type Progress, summary, type Verdict } from './verdict'

const usage = `usage: npm run chaos -- [--seed S] [--kills N] [--json] [--resume FILE]

Starts a real platform (8 agents, 2 gateways, worker, api, Temporal, PostgreSQL, Mongo wire), puts at least
${LEAST_STARTS_PER_SECOND} script starts a second on it, and every 2 to 5 s kills (SIGKILL), freezes (SIGSTOP, 1-20 s) or cuts off (RST,
half open for 5-40 s, 200 ms of delay) one part, fills a host's disk, kills a script's wrapper or reboots a host. Faults overlap.
Each 25 kills everything is healed, every run must end, the files that the scripts wrote are compared with the ledger, and
the histories of all workflows are replayed on the workflows as they are.

  --seed S       what is launched and what is broken when; 1 unless told
  --kills N      SIGKILLs in all; 25 unless told. Freezes, cuts and full disks come beside them and are counted apart.
  --json         one JSON object a verdict instead of a line for people
  --resume FILE  keeps the counts there after each verdict, and goes on from there with a new platform

The last line is JSON:
  kills             processes that got a SIGKILL from the driver (a reboot counts once)
  starts            scripts that began, by their own files
  doubleRuns        tasks (one attempt of a step on a host) that began twice, or that nobody ordered
  silentLosses      hosts without an end, or with one that their files deny
  hangs             runs without an end 7 minutes after the last fault, parts or hosts that do not come back, unanswered requests
  outputMismatches  outputs that, read through the API, have not the sha256 of what the script wrote
  orphans           processes of tasks or parts left when all runs have ended, but for those that shapes leave on purpose
  wrongVariables    values that a task saw and that the tasks before it had not set so; sights: tasks that were compared
  operations        cancels, pauses, resumes, retries, skips, ignores and nexts that were accepted amid the faults
  unknowns          host results "unknown"; excusedUnknowns of them had their wrapper killed or their host rebooted by the driver
Exit code 1 unless the five from doubleRuns to orphans and wrongVariables are 0, every history replays, every unknown is excused, every host runs a script after each round,
and starts are at least 95 % of what was launched. What is not clean leaves its evidence under .drover/chaos/.`

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        kills: { type: 'string', default: '25' },
        json: { type: 'boolean', default: false },
        resume: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    return {
      seed: wholeNumber('seed', values.seed, 2 ** 31),
      kills: Math.max(1, wholeNumber('kills', values.kills, 100_000)),
      json: values.json,
      resume: values.resume && path.resolve(values.resume),
      help: values.help,
    }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

function readProgress(file: string | undefined, seed: number): Progress | undefined {
  if (!file || !existsSync(file)) return undefined
  const progress = JSON.parse(readFileSync(file, 'utf8')) as Progress
  if (progress.version !== PROGRESS_VERSION)
    throw new UsageError(`${file} is of another version of this program`)
  if (progress.seed !== seed) throw new UsageError(`${file} belongs to seed ${progress.seed}, not ${seed}`)
  return progress
}

function writeProgress(file: string, progress: Progress): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(progress)}\n`)
  renameSync(`${file}.new`, file)
}

function minutes(seconds: number): string {
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** One line for people. */
function sayVerdict(verdict: Verdict, progress: Progress, kills: number): void {
  const { total } = progress
  const left = (progress.seconds / total.kills) * (kills - total.kills)
  const mark = verdict.clean ? tone('good', '✓') : tone('bad', '✗')
  const facts = [
    `${total.kills} of ${kills} kills`,
    `${verdict.starts} starts of ${verdict.launched}`,
    `${(verdict.launched / verdict.loadSeconds).toFixed(1)} a second`,
    `${verdict.freezes} freezes, ${verdict.cuts} cuts, ${verdict.fills} full disks`,
    verdict.clean ? 'clean' : [...faultsOf(verdict), ...verdict.hostsWithoutVerdict].join(', '),
    `unknown ${verdict.unknowns} (${verdict.excusedUnknowns} excused)`,
    minutes(verdict.seconds),
    left > 0 ? `about ${minutes(left)} left` : 'done',
  ]
  say(`${mark} ${facts.join(' · ')}`)
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options.help) return say(usage)
  const { seed, kills, json, resume } = options
  const shutdown = listenForShutdown()
  const controller = new AbortController()
  void shutdown.requested.then(() => controller.abort())
  const earlier = readProgress(resume, seed)
  if (!json)
    say(
      `Chaos: ${kills} kills with seed ${seed}${earlier ? `, ${earlier.total.kills} of them done before` : ''}`,
    )
  const progress = await runChaos({
    ...defaults,
    gapMs: [2_000, 5_000],
    seed,
    kills,
    evidence: path.join(checkout(), '.drover/chaos'),
    ...(earlier ? { progress: earlier } : {}),
    signal: controller.signal,
    log: (line) => process.stderr.write(`  ! ${line}\n`),
    onVerdict: (verdict, now) => {
      if (resume) writeProgress(resume, now)
      if (json) say(JSON.stringify(verdict))
      else sayVerdict(verdict, now, kills)
    },
  })
  const { total } = progress
  const isDone = total.kills >= kills
  const faults = [...faultsOf(total), ...(isDone ? [] : [`interrupted after ${total.kills} kills`])]
  const rate = total.loadSeconds ? total.launched / total.loadSeconds : 0
  if (rate < LEAST_STARTS_PER_SECOND)
    process.stderr.write(`  ! only ${rate.toFixed(1)} starts a second: the platform fell behind the load\n`)
  if (faults.length) process.stderr.write(`  ! ${faults.join(', ')}\n`)
  say(JSON.stringify(summary(seed, total)))
  process.exitCode = progress.clean && isDone && !faults.length ? 0 : 1
  // What an interrupted round still waits for is gone; and once, after a history that did not replay, this process stayed at work.
  process.exit()
}

main().catch(fail)
