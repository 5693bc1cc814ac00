/** Output of real hosts in groups: what is other on every host by its nature holds none of them apart, what truly differs does. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Client } from 'pg'
import { createDrover, type Drover, type OutputGroup } from '../../sdk/index'
import type { Platform } from '../../stack/platform/platform'
import { TestApi } from '../helpers/api'
import { connected, startTestPlatform } from '../helpers/platform'

const AGENTS = 4

describe('groups of output', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-kept-agent-'))
  let platform: Platform
  let drover: Drover
  let old: ChildProcess | undefined
  let names: Map<string, string>

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: AGENTS })
    drover = createDrover(platform)
    await startOldAgent()
    names = new Map()
    for await (const host of drover.hosts()) names.set(host.id, host.name)
  }, 180_000)

  afterAll(async () => {
    old?.kill('SIGKILL')
    await platform?.close()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  /** The agent of part 1, as it was kept: it knows nothing of normalising. */
  async function startOldAgent(): Promise<void> {
    const program = path.join(folder, 'agent.cjs')
    const kept = path.join(__dirname, '../fixtures/agents/part-1.cjs.gz')
    writeFileSync(program, gunzipSync(readFileSync(kept)))
    const pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
    const { rows } = await pg.query<{ address: string }>('select address from gateway order by name')
    await pg.end()
    const token = await new TestApi(platform).insist<{ token: string }>('POST', '/join-tokens', { uses: 1 })
    old = spawn(process.execPath, [program], {
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'] ?? '',
        DROVER_AGENT_STATE: path.join(folder, 'state'),
        DROVER_AGENT_NAME: 'old-1',
        DROVER_AGENT_GATEWAYS: rows.map((row) => row.address).join(','),
        DROVER_AGENT_JOIN_TOKEN: token.body.token,
        DROVER_AGENT_POLICY_FILE: path.join(folder, 'policy.json'),
        DROVER_AGENT_MIN_FREE_PERCENT: '0',
      },
    })
    await connected(platform, AGENTS + 1)
  }

  /** What a host says of itself, after as many seconds as its number; `rack-b-2` has another port. */
  function talk(): string {
    const known = [...names].map(([id, name]) => `${id}) name=${name};;`).join(' ')
    return `case $DROVER_HOST in ${known} esac
case $name in rack-a-1) sleep 1.1;; rack-a-2) sleep 2.2;; esac
date; date -u +%Y-%m-%dT%H:%M:%S.%3NZ; date +%s
echo "$(cat /proc/sys/kernel/random/uuid) of $name, app[$$]: up"
echo "pid=$$ on $(hostname)" >&2
port=8080; [ $name = rack-b-2 ] && port=8081
echo "port $port, 3 workers, version 1.4.2"`
  }

  async function groupsOf(
    script: string,
  ): Promise<{ id: string; groups: OutputGroup[]; exact: OutputGroup[] }> {
    const { id } = await drover.launchAndWait({
      target: '*',
      script: { language: 'sh', script },
      confirm: names.size,
    })
    const [groups, exact] = [await drover.outputGroups(id, 0), await drover.outputGroups(id, 0, 'output')]
    return { id, groups, exact }
  }

  const told = (groups: readonly OutputGroup[]) =>
    groups.map(({ nodeset, identical }) => [nodeset, identical])

  it('fold hosts that differ in times, pids, ids and their names; an old agent is compared byte by byte', async () => {
    const { id, groups, exact } = await groupsOf(talk())
    expect(told(groups)).toEqual([
      ['rack-a-[1-2],rack-b-1', 'normalised'],
      ['old-1', 'output'],
      ['rack-b-2', 'output'],
    ])
    expect(exact).toHaveLength(names.size)
    const cli = (...args: string[]) =>
      execFileSync(process.execPath, [path.join(__dirname, '../../cli/bin/drover.cjs'), ...args], {
        env: { ...process.env, ...platform.env },
        encoding: 'utf8',
      })
    const shown = cli('runs', 'groups', `r-${id}`).split('\n')
    expect(shown[0]).toMatch(
      /^3 hosts identical but for times, ids and names \[rack-a-\[1-2\],rack-b-1\] · old-1 differs in 5 lines · rack-b-2 differs in 1 line$/,
    )
    // Real lines, of which only the one is marked that truly differs.
    const other = shown.slice(shown.indexOf('── rack-b-2'))
    expect(other.filter((line) => /^[-+]/.test(line))).toEqual([
      '-port 8080, 3 workers, version 1.4.2',
      '+port 8081, 3 workers, version 1.4.2',
    ])
    expect(other.find((line) => line.includes('up'))).toMatch(/^ [0-9a-f-]{36} of rack-b-2, app\[\d+\]: up$/)
    expect(cli('runs', 'groups', `r-${id}`, '--exact').split('\n')[0]).toBe('5 hosts, no two alike')
    const [head, row, ...more] = cli('runs', 'groups', `r-${id}`, '--tags').trimEnd().split('\n')
    expect(head?.split(/\s+/)).toEqual(['STEP', 'STATE', 'TAG', 'HOSTS', 'WHICH'])
    expect(row?.split(/\s+/).slice(-4)).toEqual(['succeeded', '-', '5', 'old-1,rack-a-[1-2],rack-b-[1-2]'])
    expect(more).toEqual([])
  })

  it('hold an old agent together with the others where there is nothing to take out', async () => {
    const { groups } = await groupsOf('echo "port 8080, 3 workers"')
    expect(told(groups)).toEqual([['old-1,rack-a-[1-2],rack-b-[1-2]', 'output']])
  })

  it('are the same for an agent that was killed while the script ran, and that finds it again', async () => {
    const run = await drover.launch({
      target: '*',
      script: { language: 'sh', script: `date +%T.%N; echo "pid $$"; sleep 4; date +%T.%N; echo done` },
      confirm: names.size,
    })
    await new TestApi(platform).until(run.id, (view) => view.steps[0]?.counts['running'] === names.size)
    platform.child('rack-a-1').kill('SIGKILL')
    for await (const event of drover.watchEvents(run.id)) void event
    expect(told(await drover.outputGroups(run.id, 0))).toEqual([
      ['rack-a-[1-2],rack-b-[1-2]', 'normalised'],
      ['old-1', 'output'],
    ])
  })
})
