/** The Temporal web UI, as an operator reads it: what runs, on what, in which state, and why it waits. */
import { mkdirSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import type { Platform } from '../../stack/platform/platform'
import { TestApi } from '../helpers/api'
import { chromiumMissing, openBrowser } from '../helpers/browser'
import { startTestPlatform } from '../helpers/platform'

const withBrowser = chromiumMissing ? describe.skip : describe

withBrowser('the Temporal web UI', () => {
  let platform: Platform
  let api: TestApi
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 4 })
    api = new TestApi(platform)
    browser = await openBrowser()
    page = await browser.newPage({ viewport: { width: 1400, height: 1200 } })
  }, 120_000)

  afterAll(async () => {
    await browser?.close()
    await platform?.close()
  }, 60_000)

  async function open(id: string): Promise<void> {
    const ui = platform.env['DROVER_TEMPORAL_UI']
    await page.goto(`${ui}/namespaces/default/workflows/${encodeURIComponent(`execution/default/${id}`)}`)
  }

  async function shot(name: string): Promise<void> {
    mkdirSync('test/reports', { recursive: true })
    await page.screenshot({ path: `test/reports/${name}.png` })
  }

  it('shows the steps with their counts, and that an operator has paused the run', async () => {
    const step = { language: 'sh', script: 'sleep 1', concurrency: 1 }
    const id = await api.launch({
      target: '*',
      plan: {
        name: 'Deploy nginx',
        steps: [
          { ...step, name: 'stop' },
          { ...step, name: 'copy' },
        ],
      },
    })
    await api.until(id, (view) => (view.steps[0]?.counts['succeeded'] ?? 0) >= 1)
    await api.operate(id, { kind: 'pause' })
    await api.until(id, (view) => view.state === 'paused' && !view.steps[0]?.counts['running'])
    await open(id)
    await page.getByText('User Metadata').click()
    // The UI shows Markdown in frames of its own.
    const details = page
      .frameLocator('iframe[src*="paused%20by"]')
      .getByText('paused by an operator: resume or cancel it')
    await details.waitFor({ timeout: 30_000 })
    await shot('temporal-ui-paused')
    const frames = await Promise.all(page.frames().map((frame) => frame.locator('body').innerText()))
    const text = frames.join('\n')
    expect(text).toContain('Deploy nginx · 4 hosts · by admin')
    const { succeeded = 0, pending = 0 } = (await api.get(id)).steps[0]!.counts
    expect(succeeded + pending).toBe(4)
    expect(text).toMatch(new RegExp(`1\\s+stop\\s+paused\\s+4\\s+${succeeded}\\s+0\\s+${pending}`))
    expect(text).toMatch(/2\s+copy\s+pending\s+4\s+0\s+0\s+4/)
    await api.operate(id, { kind: 'cancel' })
    await api.ended(id)
  })

  it('says which hosts are waited for while they are away', async () => {
    await platform.child(platform.hosts[3]!.name).stop()
    const id = await api.launch({
      target: '*',
      plan: { name: 'Wait', steps: [{ name: 'only', language: 'sh', script: 'true' }] },
    })
    await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 3)
    await open(id)
    await page.getByText('waiting for 1 host to reconnect').first().waitFor({ timeout: 30_000 })
    await shot('temporal-ui-waiting')
    await api.operate(id, { kind: 'cancel' })
    await api.ended(id)
  })

  it('finds a run by its state', async () => {
    const id = await api.launch({
      target: 'name:rack-a-1',
      plan: { name: 'Searched', steps: [{ name: 'only', language: 'sh', script: 'exit 1' }] },
    })
    await api.ended(id)
    const query = encodeURIComponent('DroverState="failed" and DroverPlan="Searched"')
    await page.goto(`${platform.env['DROVER_TEMPORAL_UI']}/namespaces/default/workflows?query=${query}`)
    await page.getByText(`execution/default/${id}`).first().waitFor({ timeout: 30_000 })
  })
})
