/** A platform for all tests of a describe, steps that tell of themselves, and what their scripts wrote. */
import type { Platform, PlatformOptions } from '../../stack/platform/platform'
import { TestApi } from './api'
import { Effects } from './effects'
import { startTestPlatform } from './platform'

export interface Stage {
  platform: Platform
  api: TestApi
  readonly effects: Effects
  /** A step in sh whose scripts tell of their starts by its name. */
  readonly step: (
    name: string,
    body: string,
    more?: object,
  ) => { name: string; language: string; script: string }
  /** How many scripts of a run have started. @param name of one step only */
  readonly starts: (id: string, name?: string) => number
}

/** Called in a describe: there before its first test, and gone after its last. */
export function useStage(options: PlatformOptions): Stage {
  const effects = new Effects()
  const stage: Partial<Stage> = {
    effects,
    step: (name, body, more = {}) => ({
      name,
      language: 'sh',
      script: `${effects.line(name)}\n${body}`,
      ...more,
    }),
    starts: (id, name) =>
      [...effects.count(id)]
        .filter(([line]) => name === undefined || line.startsWith(`${name} `))
        .reduce((sum, [, n]) => sum + n, 0),
  }
  beforeAll(async () => {
    stage.platform = await startTestPlatform(options)
    stage.api = new TestApi(stage.platform)
  }, 120_000)
  afterAll(async () => {
    await stage.platform?.close()
    effects.remove()
  }, 60_000)
  return stage as Stage
}
