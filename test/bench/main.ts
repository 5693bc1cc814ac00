/** `npm run bench`: measures, one group after another, and says which promises hold. */
import { parseArgs } from 'node:util'
import { fail, say, tone, UsageError } from '../../stack/program/console'
import type { Group } from './bench'
import { groups } from './groups'
import { peers } from './peers/group'
import { describeRow, makeRow, type Row } from './row'

const usage = `usage: npm run bench -- [GROUP...] [--peers] [--json]

Measures on real platforms that it starts and ends, one group after another. One row a figure: its value, between which
values it moved, what it must be and what is aimed at. With --json one object a line and nothing else.

${groups.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}

  --peers    ${peers.about}

All groups unless some are named. Exit code 1 if a row is not what it must be.
Times depend on the machine and on what else it does: compare what one run gave, not two machines.`

function readOptions(): { wanted: readonly Group[]; json: boolean; help: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        peers: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const unknown = positionals.filter((name) => !groups.some((group) => group.name === name))
    if (unknown.length) throw new Error(`there is no group ${unknown.join(', ')}`)
    const named = groups.filter(({ name }) => positionals.includes(name))
    const own = positionals.length || values.peers ? named : groups
    return { wanted: values.peers ? [...own, peers] : own, ...values }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

async function main(): Promise<void> {
  const { wanted, json, help } = readOptions()
  if (help) return say(usage)
  const missed: Row[] = []
  for (const group of wanted) {
    if (!json) say(`\n${tone('strong', group.name)} ${tone('quiet', group.about)}`)
    await group.run({
      say: (line) => void process.stderr.write(`  ${tone('quiet', line)}\n`),
      row: (measured) => {
        const row = makeRow(group.name, measured)
        if (!row.ok) missed.push(row)
        say(
          json
            ? JSON.stringify(row)
            : `  ${row.ok ? tone('good', '✓') : tone('bad', '✗')} ${describeRow(row)}`,
        )
      },
    })
  }
  if (missed.length) process.exitCode = 1
  if (!json)
    say(
      missed.length ? `\n${missed.length} rows are not what they must be` : '\nevery row is what it must be',
    )
}

main().catch(fail)
