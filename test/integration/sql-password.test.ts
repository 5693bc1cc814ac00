/** The SQL runner and servers that are not what they seem: who gets its password. */
import { generateKeyPairSync } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { RunnerLab } from '../helpers/sql-runner'

/** Speaks MySQL as far as to ask for the password, by a key of its own and without TLS. */
async function startThief(): Promise<{ port: number; heard: Buffer[]; close: () => void }> {
  const heard: Buffer[] = []
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  const greeting = Buffer.concat([
    Buffer.from([10]),
    Buffer.from('8.4.0\0'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from('12345678\0'),
    // Lower capabilities (protocol 41, no TLS), character set, status, upper ones (plugins), length of the challenge.
    Buffer.from([0x0f, 0xa2, 0x2d, 0x02, 0x00, 0x08, 0x00, 21]),
    Buffer.alloc(10),
    Buffer.from('123456789012\0caching_sha2_password\0'),
  ])
  const questions = [
    Buffer.from('\xfecaching_sha2_password\x0012345678123456789012\0', 'latin1'),
    Buffer.from([1, 4]),
    Buffer.concat([Buffer.from([1]), key]),
  ]
  const server = createServer((socket) => {
    let answers = 0
    socket.on('error', () => {})
    socket.write(packet(0, greeting))
    socket.on('data', (bytes: Buffer) => {
      heard.push(bytes)
      const asked = questions[Math.min(answers++, 2)] ?? key
      socket.write(packet((bytes[3] ?? 0) + 1, asked))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, heard, close: () => server.close() }
}

function packet(number: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head[3] = number
  return Buffer.concat([head, body])
}

describe('the SQL runner, before a server that asks for the password by a key of its own', () => {
  it.each([
    // Linux takes it for this host; the runner cannot know that.
    ['tells it nothing over a network', '0.0.0.0', 'has no TLS'],
    // Who may listen on this host's loopback is trusted.
    ['asks for the key on its own host', '127.0.0.1', undefined],
  ])(
    '%s',
    async (_, host, refusal) => {
      const thief = await startThief()
      const lab = new RunnerLab([
        '--engine',
        'mysql',
        '--host',
        host,
        '--port',
        String(thief.port),
        '--user',
        'a',
      ])
      const run = lab.start('select 1', ['--password-file', lab.file('sesame')])
      const { code, stderr } = await run.end
      expect(code).toBe(2)
      if (refusal) expect(stderr).toContain(refusal)
      // An encrypted password is as long as the key.
      expect(thief.heard.some((bytes) => bytes.length >= 260)).toBe(refusal === undefined)
      thief.close()
      lab.close()
    },
    30_000,
  )

  it('does without no password that was meant', async () => {
    const lab = new RunnerLab(['--engine', 'mysql', '--host', '127.0.0.1', '--port', '1', '--user', 'a'])
    const { code, stderr } = await lab.run('select 1', ['--password-file', '/nowhere/password'])
    expect([code, stderr]).toEqual([64, expect.stringContaining('the file with the password')])
    lab.close()
  })
})
