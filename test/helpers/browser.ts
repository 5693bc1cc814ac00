/** Debian's Chromium, headless, as a test drives it. */
import { type Browser, chromium } from 'playwright-core'

// As root, in a machine without a network beyond loopback.
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Whether the preparation found no Chromium; its tests are then counted as skipped. */
export const chromiumMissing = (process.env['DROVER_MISSING'] ?? '').split(',').includes('chromium')

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS })
}
