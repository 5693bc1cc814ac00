/** `npm run demo -- --break` as a program: parts die at seeded moments, and the receipt is counted from the hosts' files. */
import { spawn } from 'node:child_process'
import path from 'node:path'

const checkout = path.join(__dirname, '../..')

function demo(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['dist/stack/demo-main.js', '--break', ...args], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes))
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, output })))
}

describe('the demo that breaks its own rollout', () => {
  it('ends with a clean receipt although parts were killed', async () => {
    const { code, output } = await demo('--simulated', '292', '--seed', '3')
    process.stdout.write(output.split('\n').slice(-8).join('\n'))
    expect(output).toMatch(
      /^300 targets · 300 started once · killed (\w+ ×\d+(, )?)+ · longest gap \d+\.\d s · seed 3$/m,
    )
    expect(output).toMatch(/done \d+ · running \d+ · asking \d+ · twice 0 · lost 0/)
    expect(code).toBe(0)
  }, 300_000)

  it('says how it is used when it is used otherwise', async () => {
    const { code, output } = await demo('--simulated', 'many')
    expect(code).toBe(1)
    expect(output).toContain('--simulated must be a whole number from 0 to 20000')
    expect(output).toContain('usage: npm run demo')
  }, 30_000)
})
