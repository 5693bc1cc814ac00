/** Thirty seeded kills of every part in mid-run, by the driver of `npm run chaos`: nothing runs twice, nothing is lost, nothing hangs. */
import path from 'node:path'
import { defaults, runChaos } from './chaos'
import { faultsOf, summary, type Verdict } from './verdict'

const SEED = Number(process.env.DROVER_CHAOS_SEED ?? 7)
const KILLS = Number(process.env.DROVER_CHAOS_KILLS ?? 30)

describe(`${KILLS} kills with seed ${SEED}`, () => {
  it('leave no double run, no lost result, no hang, no wrong output and no orphan', async () => {
    const verdicts: Verdict[] = []
    const { total } = await runChaos({
      ...defaults,
      // Shorter than those of `npm run chaos`, so that every run of the tests can afford it.
      gapMs: [2_000, 3_000],
      freezeMs: 12_000,
      cutMs: 15_000,
      longest: 10,
      verdictEvery: KILLS,
      seed: SEED,
      kills: KILLS,
      evidence: path.join(__dirname, '../../.drover/chaos'),
      signal: new AbortController().signal,
      log: (line) => process.stdout.write(`chaos: ${line}\n`),
      onVerdict: (verdict) => verdicts.push(verdict),
    })
    process.stdout.write(`chaos: ${JSON.stringify(summary(SEED, total))}\n`)
    expect(verdicts.flatMap(({ findings }) => findings)).toEqual([])
    expect(verdicts.flatMap(({ hostsWithoutVerdict }) => hostsWithoutVerdict)).toEqual([])
    expect(faultsOf(total)).toEqual([])
    expect(total.kills).toBe(KILLS)
  })
})
