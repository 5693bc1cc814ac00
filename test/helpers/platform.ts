/** A whole platform for a test: started, with every agent connected. */
import { type Platform, type PlatformOptions, startPlatform } from '../../stack/platform/platform'
import { pause, TestApi } from './api'

/** Ephemeral, without the object store (which nothing here needs yet). */
export async function startTestPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const platform = await startPlatform({ ephemeral: true, objectStore: 'manual', ...options })
  try {
    await connected(platform, options.agents ?? 8)
  } catch (error) {
    await platform.close()
    throw error
  }
  return platform
}

/** Resolves when `count` hosts have a session. */
export async function connected(platform: Platform, count: number): Promise<void> {
  const api = new TestApi(platform)
  for (const until = Date.now() + 60_000; ; await pause(100)) {
    const { body } = await api.insist<{ items: { connected: boolean }[] }>('GET', '/hosts?limit=1000')
    if (body.items.filter((host) => host.connected).length >= count) return
    if (Date.now() > until) throw new Error(`of ${count} hosts only these connected: ${JSON.stringify(body)}`)
  }
}
