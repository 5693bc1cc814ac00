/**
 * Random plans and random operations, on a model of the state machine and on the real engine: outcomes by step and host, states,
 * and what is allowed must agree. DROVER_MODEL_SEED does one again, DROVER_MODEL_RUNS says how many.
 */
import fc from 'fast-check'
import type { Platform } from '../../stack/platform/platform'
import { TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { PlayedScenario } from '../model/played'
import { HOSTS, scenario } from '../model/scenario'

/** Played at once: they wait for the engine most of their time. */
const AT_ONCE = 4
const runs = Number(process.env['DROVER_MODEL_RUNS'] ?? 60)
const seed = Number(process.env['DROVER_MODEL_SEED'] ?? Date.now() % 1_000_000_000)

describe('the engine', () => {
  let platform: Platform
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: HOSTS })
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  it(`does what the model of a run does, and refuses what it refuses (DROVER_MODEL_SEED=${seed})`, async () => {
    const api = new TestApi(platform)
    const property = fc.asyncProperty(
      fc.array(scenario, { minLength: AT_ONCE, maxLength: AT_ONCE }),
      async (scenarios) => {
        const played = await Promise.allSettled(
          scenarios.map((one) => PlayedScenario.play(api, effects.folder, one)),
        )
        for (const one of played) if (one.status === 'rejected') throw one.reason
      },
    )
    await fc.assert(property, { seed, numRuns: Math.ceil(runs / AT_ONCE), endOnFailure: true })
  }, 600_000)
})
