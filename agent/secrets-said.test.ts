/** What a script says of itself, and what its output is compared by, show no secret of it: neither to the server nor in the journal. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NormalisedHash } from '../base/normalise.js'
import { type TaskUpdate, type Variable, VariableType } from '../proto/index.js'
import { AgentProcess } from './testing/agent-process.js'
import type { ScriptInput } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

let gateway: TestGateway
let agent: AgentProcess
let token: string

beforeAll(async () => {
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway)
  agent.start()
  await gateway.sessionUp()
})

beforeEach(() => {
  token = `canary-${randomUUID()}`
})

afterAll(async () => {
  await agent.remove()
  await gateway.stop()
})

const stars = (text: string) => '*'.repeat(Buffer.byteLength(text))

const changeable = (name: string, type: VariableType, ...items: string[]): Variable => ({
  name,
  type,
  items: items.map((item) => Buffer.from(item)),
  changeable: true,
})
const text = (name: string) => changeable(name, VariableType.VARIABLE_TYPE_STRING, 'before')

const run = (task: ScriptInput, values: Record<string, string>) =>
  gateway.run({ ...task, secrets: { values, keys: gateway.certificates } })

const told = (update: TaskUpdate) =>
  Object.fromEntries(update.variables.map(({ name, items }) => [name, items.map(String)]))

/** What the journal has of a task's end, with values as they are. */
function recorded(id: string): string {
  const record = readFileSync(join(agent.state, 'spool/tasks', id, 'result.json'), 'utf8')
  const values = (JSON.parse(record) as { variables?: { items: string[] }[] }).variables ?? []
  return record + values.flatMap(({ items }) => items.map((item) => Buffer.from(item, 'base64'))).join('\n')
}

describe('of a script with secrets', () => {
  it.each([
    ['drover-set', 'drover-set X "is $(cat "$TOKEN_FILE")."'],
    ['an assignment in bash', 'X="is $(cat "$TOKEN_FILE")."'],
  ])('a variable that it set by %s is masked before it is recorded and told', async (_, script) => {
    const { id, update } = await run(
      { language: 'bash', text: script, variables: [text('X')] },
      { TOKEN: token },
    )
    expect([update.exitCode, update.reason, told(update)]).toEqual([0, '', { X: [`is ${stars(token)}.`] }])
    expect(recorded(id)).toContain(stars(token))
    expect(recorded(id)).not.toContain(token)
  })

  it('items of lists and keys of maps are masked, and so is each line of a secret', async () => {
    const { VARIABLE_TYPE_LIST, VARIABLE_TYPE_MAP } = VariableType
    const [first, second] = [`first ${token}`, `second ${token}`]
    const { id, update } = await run(
      {
        language: 'bash',
        text: 'mapfile -t L < "$KEY_FILE"; V="$(cat "$KEY_FILE")"; M["$V"]=plain; M[plain]="$V"',
        variables: [changeable('L', VARIABLE_TYPE_LIST), changeable('M', VARIABLE_TYPE_MAP)],
      },
      { KEY: `${first}\n${second}\n` },
    )
    const { L, M } = told(update)
    expect(L).toEqual([stars(first), stars(second)])
    const whole = stars(`${first}\n${second}`)
    // `$(cat …)` takes the last line end: the rest is masked as a whole all the same.
    expect([...(M ?? [])].sort()).toEqual([whole, whole, 'plain', 'plain'].sort())
    expect(recorded(id)).not.toContain(token)
  })

  it.each([
    ['drover-tag', 'drover-tag "release $(cat "$TOKEN_FILE")"', ''],
    ['job_success', 'job_success "release $(cat "$TOKEN_FILE")"', `release ${'*'.repeat(43)}\n`],
  ])('the tag that it said by %s is masked before it is recorded and told', async (_, script, output) => {
    const { id, update, stdout } = await run({ language: 'bash', text: script }, { TOKEN: token })
    expect([update.tag, stdout.toString()]).toEqual([`release ${stars(token)}`, output])
    expect(recorded(id)).not.toContain(token)
  })

  it('a tag is masked before it is cut to its length and cleaned', async () => {
    const spaced = `a\tsecret ${token}`
    const script = 'drover-tag "$(head -c 245 /dev/zero | tr "\\0" a)$(cat "$TOKEN_FILE")"'
    const { update } = await run({ language: 'bash', text: script }, { TOKEN: spaced })
    expect(update.tag).toBe('a'.repeat(245) + '*'.repeat(11))
  })

  it('the hash that outputs are compared by is that of what is sent, not of what was written', async () => {
    const sent = (task: ScriptInput) => run(task, { TOKEN: token })
    const { stdout, update } = await sent({ text: `echo "at 12:00:01 with $(cat "$TOKEN_FILE")"` })
    expect(stdout.toString()).toBe(`at 12:00:01 with ${stars(token)}\n`)
    const hash = new NormalisedHash({ names: [], aroundMs: Date.now() })
    hash.update(stdout)
    expect(update.stdout?.normalisedSha256.toString('hex')).toBe(hash.digest())
    expect(update.stdout?.normalisedSha256).not.toEqual(update.stdout?.sha256)
    // Hosts with different secrets of one length wrote the same, as far as anybody may see.
    token = `canary-${randomUUID()}`
    const other = await sent({ text: `echo "at 12:00:02 with $(cat "$TOKEN_FILE")"` })
    expect(other.update.stdout?.normalisedSha256).toEqual(update.stdout?.normalisedSha256)
  })
})
