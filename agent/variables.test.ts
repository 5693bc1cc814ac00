/** Variables on a host: what scripts are given, what they set, and what is known of what they set, with real shells. */
import { execFileSync } from 'node:child_process'
import { type TaskUpdate, TaskState, type Variable, VariableType } from '../proto/index.js'
import { AgentProcess } from './testing/agent-process.js'
import { makeDispatch, type ScriptInput } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

let gateway: TestGateway
let agent: AgentProcess

beforeAll(async () => {
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway)
  agent.start()
  await gateway.sessionUp()
})

afterAll(async () => {
  await agent.remove()
  await gateway.stop()
})

const asRoot = process.getuid?.() === 0 ? it : it.skip
const { VARIABLE_TYPE_STRING, VARIABLE_TYPE_LIST, VARIABLE_TYPE_MAP } = VariableType

const variable = (name: string, items: (string | Buffer)[], more: Partial<Variable> = {}): Variable => ({
  name,
  type: VARIABLE_TYPE_STRING,
  items: items.map((item) => Buffer.from(item)),
  changeable: false,
  ...more,
})
const changeable = (name: string, value: string) => variable(name, [value], { changeable: true })
const list = (name: string, ...items: (string | Buffer)[]) =>
  variable(name, items, { type: VARIABLE_TYPE_LIST, changeable: true })
const map = (name: string, ...items: (string | Buffer)[]) =>
  variable(name, items, { type: VARIABLE_TYPE_MAP, changeable: true })

/** What an update tells of variables, by name. */
const told = (update: TaskUpdate) =>
  Object.fromEntries(
    update.variables.map(({ name, items }) => [name, items.map((item) => item.toString('latin1'))]),
  )

const run = (variables: Variable[], task: ScriptInput) => gateway.run({ variables, ...task })

const awkward = [
  '$(touch /tmp/drover-must-not-be)',
  '`touch /tmp/drover-must-not-be`',
  'two\nlines\n',
  `it's "quoted" \\ `,
  '-rf',
  '',
  Buffer.from([0xff, 0xfe, 0x80, 0x41]),
]

describe('a value', () => {
  describe.each([
    ['bash', 'printf %s "$V"'],
    ['sh', 'printf %s "$V"'],
    ['python', 'import os, sys\nsys.stdout.buffer.write(os.environb[b"V"])'],
    ['perl', 'binmode STDOUT; print $ENV{V}'],
    ['node', 'process.stdout.write(require("child_process").execFileSync("drover-get", ["V"]))'],
    ['sh', 'drover-get V'],
  ])('in %s', (language, text) => {
    it.each(awkward.map((value) => [value]))('%j arrives byte for byte', async (value) => {
      const { stdout, update } = await run([variable('V', [value])], { language, text })
      expect([update.exitCode, stdout.toString('latin1')]).toEqual([0, Buffer.from(value).toString('latin1')])
    })
  })

  it('of a list is an array in bash, with every byte', async () => {
    const text = 'printf "%s\\0" "${#L[@]}" "${L[@]}"'
    const { stdout } = await run([list('L', ...awkward)], { language: 'bash', text })
    const expected = ['7', ...awkward].flatMap((item) => [Buffer.from(item), Buffer.of(0)])
    expect(stdout.equals(Buffer.concat(expected))).toBe(true)
  })

  it('of a map is an associative array in bash, whatever its keys are', async () => {
    const keys = ['a', ']', '$(touch /tmp/drover-must-not-be)', '@', '*', "'", ' x']
    const text = `for k in ${keys.map((key) => `'${key.replaceAll("'", "'\\''")}'`).join(' ')}; do printf '%s=%s\\n' "$k" "\${M[$k]}"; done`
    const { stdout } = await run([map('M', ...keys.flatMap((key, at) => [key, String(at)]))], {
      language: 'bash',
      text,
    })
    expect(stdout.toString()).toBe(keys.map((key, at) => `${key}=${at}\n`).join(''))
  })

  it.each([
    ['sh', 'printf %s "$L$M"'],
    ['python', 'import os\nprint(os.environ["L"] + os.environ["M"], end="")'],
  ])('of a list and a map is JSON in the environment of %s', async (language, text) => {
    const { stdout } = await run([list('L', 'a', 'b c'), map('M', 'k', 'v')], { language, text })
    expect(stdout.toString()).toBe('["a","b c"]{"k":"v"}')
  })

  it('is that of this host where it has one of its own', async () => {
    const { stdout } = await gateway.run(
      { text: 'echo "$A $B"', variables: [variable('A', ['all']), variable('B', ['all'])] },
      { variables: [variable('B', ['mine'])] },
    )
    expect(stdout.toString()).toBe('all mine\n')
  })

  it('does not come after the environment of the step itself', async () => {
    const task = { text: 'echo "$A"', environment: { A: Buffer.from('step') } }
    const { stdout } = await run([variable('A', ['run'])], task)
    expect(stdout.toString()).toBe('step\n')
  })

  it.each(['IFS', 'LD_PRELOAD', 'BASH_ENV', 'BASH_FUNC_x%%', 'DROVER_X'])(
    'for a variable called %s is refused: nothing starts',
    async (name) => {
      const { update } = await run([variable(name, ['x'])], { text: 'true' })
      expect([update.state, update.reason]).toEqual([TaskState.TASK_STATE_REJECTED, 'task_invalid'])
    },
  )

  it('leaves nothing behind in the shell that programs of the script could see', async () => {
    const text = 'bash -c \'echo "${BASH_ENV-none} $(trap -p EXIT | wc -l)"\'; echo "$0" | grep -c script'
    const { stdout } = await run([changeable('A', 'x')], { language: 'bash', text: `${text}; A=y` })
    expect(stdout.toString()).toBe('none 0\n1\n')
  })
})

describe('a variable that may change', () => {
  it.each(['bash', 'sh'])('is told as %s leaves it, and not where it is as it was', async (language) => {
    const { update } = await run([changeable('A', 'old'), changeable('B', 'old'), changeable('C', 'old')], {
      language,
      text: 'A="new\nvalue "; B=old; echo $C',
    })
    expect(told(update)).toEqual({ A: ['new\nvalue '] })
    expect([update.reason, update.failed]).toEqual(['', false])
  })

  it.each(['bash', 'sh'])(
    'is told by %s under any options, and with the exit code that was meant',
    async (language) => {
      const text = 'set -euC; umask 777; IFS=x; A=1; printf() { echo stolen; }; cd /; exit 0'
      const { update } = await run([changeable('A', ''), changeable('UNSET', '')], { language, text })
      expect([told(update), update.exitCode, update.failed]).toEqual([{ A: ['1'] }, 0, false])
    },
  )

  it('that is a list or a map is told, empty ones too', async () => {
    const variables = [
      list('L', 'a', 'b'),
      map('M', 'a', '1', 'b', '2'),
      list('SAME', 'x'),
      map('ALIKE', 'q', '1', 'r', '2'),
      list('GONE', 'x'),
    ]
    const text = 'L+=("c d"); M[b]=3; M["x y"]=4; unset "M[a]"; SAME=(x); ALIKE=([r]=2 [q]=1); GONE=()'
    const { update } = await run(variables, { language: 'bash', text })
    const { M = [], ...rest } = told(update)
    expect(rest).toEqual({ L: ['a', 'b', 'c d'], GONE: [] })
    expect(Object.fromEntries(M.flatMap((key, at) => (at % 2 ? [] : [[key, M[at + 1]]])))).toEqual({
      b: '3',
      'x y': '4',
    })
  })

  it.each([
    ['python', 'import subprocess\nsubprocess.run([b"drover-set", b"A", b"\\xff-rf $x"], check=True)'],
    ['perl', 'system("drover-set", "A", "\\xff-rf \\$x")'],
    ['sh', 'drover-set A "$(printf \'\\377\')-rf \\$x"'],
  ])('is set by a command in %s, byte for byte, and read again at once', async (language, text) => {
    const { update } = await run([changeable('A', 'old')], { language, text })
    expect(told(update)).toEqual({ A: ['\xff-rf $x'] })
    const read = await run([changeable('A', 'old')], { text: 'drover-set A new && drover-get A' })
    expect(read.stdout.toString()).toBe('new')
  })

  it('that is a list or a map is set and read by a command', async () => {
    const text =
      'drover-set L a "b c" && drover-set M k v && drover-get L && drover-get -0 M | tr "\\000" ";"'
    const { update, stdout } = await run([list('L'), map('M')], { text })
    expect(told(update)).toEqual({ L: ['a', 'b c'], M: ['k', 'v'] })
    expect(stdout.toString()).toBe('a\nb c\nk;v;')
  })

  it('is not set where it may not be, and the command says so', async () => {
    const { stderr, update } = await run([variable('FIXED', ['x'])], {
      text: 'drover-set FIXED y; drover-set NONE y; drover-get NONE; exit 0',
    })
    expect(stderr.toString()).toBe(
      'drover-set: FIXED may not be changed: its definition must say changeable\ndrover-set: this run has no variable NONE\ndrover-get: this run has no variable NONE\n',
    )
    expect(told(update)).toEqual({})
  })

  it.each([
    ['bash', 'A=new; exec true'],
    ['sh', 'A=new; exec true'],
    ['bash', 'trap "echo bye" EXIT; A=new'],
    ['sh', 'trap "echo bye" EXIT; A=new'],
  ])(
    'scenario 24: is lost in %s by "%s": the host has failed, or keeps the old one by choice',
    async (language, text) => {
      const { update } = await run([changeable('A', 'old')], { language, text })
      expect([update.exitCode, update.failed, update.reason, told(update)]).toEqual([
        0,
        true,
        'variable_not_captured',
        {},
      ])
      const kept = await run([changeable('A', 'old')], { language, text, keepUncaptured: true })
      expect([kept.update.failed, kept.update.reason, told(kept.update)]).toEqual([
        false,
        'variable_not_captured',
        {},
      ])
    },
  )

  it('scenario 24: is lost where the shell is killed, and the end is that of the signal', async () => {
    const { update } = await run([changeable('A', 'old')], { language: 'bash', text: 'A=new; kill -KILL $$' })
    expect([update.signal, update.reason, told(update)]).toEqual(['SIGKILL', '', {}])
  })

  it('that a script does not name costs nothing: exec is as good as ever', async () => {
    const { update } = await run([changeable('ELSEWHERE', 'old')], { language: 'bash', text: 'exec true' })
    expect([update.failed, update.reason]).toEqual([false, ''])
  })

  it.each([
    ['too large', `A=$(head -c 80001 /dev/zero | tr '\\0' x)`],
    [
      'a folder',
      'A=new; rm -rf "$DROVER_SCRIPT_FOLDER/said/shell"; mkdir -p "$DROVER_SCRIPT_FOLDER/said/set/A"',
    ],
  ])('whose value is %s is not taken in silence', async (_what, text) => {
    const { update } = await run([changeable('A', 'old')], { language: 'bash', text })
    expect([update.failed, update.reason, told(update)]).toEqual([true, 'variable_not_captured', {}])
  })

  asRoot.each([
    ['a link', 'ln -s /etc/shadow "$D/said/set/A"'],
    ['a folder that is a link', 'rmdir "$D/said/set"; ln -s /etc "$D/said/set"'],
    ['a pipe that nobody writes', 'mkfifo "$D/said/set/shadow"'],
  ])('cannot be made of a file that the account may not read: %s', async (_what, text) => {
    const { update } = await run([changeable('A', 'old'), changeable('shadow', 'old')], {
      account: 'nobody',
      text: `D=$DROVER_SCRIPT_FOLDER; mkdir -p "$D/said/set"; ${text}; ls -la "$D/said"`,
    })
    expect(told(update)).toEqual({})
    expect(update.reason).not.toBe('')
  })

  it('is told by an agent that was killed while the script ran', async () => {
    const script = { text: 'A=new; sleep 2', language: 'bash', variables: [changeable('A', 'old')] }
    const dispatch = makeDispatch(gateway, script)
    gateway.dispatch(dispatch)
    await gateway.update(dispatch.id, ({ state }) => state === TaskState.TASK_STATE_RUNNING)
    await agent.kill('SIGKILL')
    agent.start()
    expect(told(await gateway.final(dispatch.id))).toEqual({ A: ['new'] })
  })
})

describe('a tag', () => {
  it.each([
    ['bash', 'job_success "all  well"; echo not reached', 0],
    ['sh', 'job_fail "disk full"; echo not reached', 1],
    ['python', 'import subprocess\nsubprocess.run(["drover-tag", "all", "well"])', 0],
  ])('is said in %s by %j', async (language, text, code) => {
    const { update, stdout } = await gateway.run({ language, text })
    expect([update.exitCode, update.tag]).toEqual([
      code,
      code ? 'disk full' : language === 'bash' ? 'all  well' : 'all well',
    ])
    expect(stdout.toString()).not.toContain('not reached')
  })

  it('is one line of at most 256 characters, the last that was said', async () => {
    const { update } = await gateway.run({
      text: `drover-tag first; drover-tag "$(printf 'a\\nb\\033[31m')"`,
    })
    expect(update.tag).toBe('a b [31m')
    const long = await gateway.run({ text: `drover-tag "a\n\tb $(head -c 500 /dev/zero | tr '\\0' x)"` })
    expect([long.update.tag.slice(0, 4), long.update.tag.length]).toEqual(['a b ', 256])
  })

  it('is said of what failed and of what took too long, too', async () => {
    const { update } = await gateway.run({ text: 'drover-tag slow; sleep 60', timeoutMs: 500n })
    expect([update.state, update.tag]).toEqual([TaskState.TASK_STATE_TIMED_OUT, 'slow'])
  })
})

afterAll(() => {
  expect(() => execFileSync('ls', ['/tmp/drover-must-not-be'], { stdio: 'ignore' })).toThrow()
})
