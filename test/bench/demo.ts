/** The second start of the demo: what somebody waits for who has tried it once. */
import { spawn } from 'node:child_process'
import { checkout } from '../../stack/embedded/find'
import { atMost, type Group, percentileRows } from './bench'

const ROUNDS = 5

export const demo: Group = {
  name: 'demo',
  about: '`npm run demo -- --once` when everything is prepared, to its first result',
  async run(bench) {
    const samples: number[] = []
    for (let n = 0; n < ROUNDS; n++) {
      samples.push(await firstResultSeconds())
      bench.say(`${samples.at(-1)?.toFixed(1)} s`)
    }
    const of = { name: 'second `npm run demo -- --once`, to its first result', unit: 's', samples } as const
    percentileRows(bench, { ...of, hosts: 'real' }, [{ share: 0.5, must: atMost(15), aim: 8 }, { share: 1 }])
  },
}

/** From the call of npm to the line that tells the first result. */
async function firstResultSeconds(): Promise<number> {
  const from = performance.now()
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--once'], {
    cwd: checkout(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let seconds = Number.NaN
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    if (Number.isNaN(seconds) && text.includes('First result')) seconds = (performance.now() - from) / 1_000
  })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (code !== 0 || Number.isNaN(seconds)) throw new Error(`the demo ended with ${code}: ${text.slice(-500)}`)
  return seconds
}
