/** What is taken out of output before it is compared, and what must not be: the table, rule by rule, and the page that shows it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Normaliser, ownNames, showKinds } from './normalise'
import { RULES_VERSION, rules } from './normalise-rules'

const aroundMs = Date.UTC(2026, 10, 22, 0, 42, 46)
const perspective = { names: ownNames(['web-07', 'node-7.example.com']), aroundMs }

function shown(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  const normaliser = new Normaliser(perspective, (part) => parts.push(showKinds(part)))
  normaliser.update(bytes)
  normaliser.end()
  return Buffer.concat(parts)
}
const show = (text: string) => shown(Buffer.from(text)).toString()

const page = readFileSync(join(__dirname, '../docs/reference/normalising.md'), 'utf8')

describe.each(rules.map((rule) => [rule.what, rule] as const))('%s', (_what, rule) => {
  it.each(rule.examples)('takes out %s', (example) => {
    for (const line of [example, `${example}\nx`, `y\n${example}\r\n`]) {
      expect(show(line)).toContain(`<${rule.kind}>`)
      expect(show(line)).not.toMatch(/\d{2}/)
    }
  })

  it('is bounded: it repeats nothing without end, refers to nothing it has captured, and captures nothing', () => {
    const bare = rule.pattern.replaceAll(/\\./g, '_').replaceAll(/\[[^\]]*\]/g, '_')
    expect(bare).not.toMatch(/[*+]|\{\d+,\}/)
    expect(bare).not.toMatch(/\((?!\?[:=!]|\?<[=!])/)
    expect(rule.pattern).not.toMatch(/\\[1-9k]/)
    expect(rule.pattern).not.toMatch(/\\[sSwWbB]/)
  })

  it('stands on the reference page', () => {
    expect(page).toContain(
      `| ${rule.kind} | ${rule.what} | ${rule.examples.map((text) => `\`${text}\``).join('<br>')} | ${rule.why} |`,
    )
  })
})

it('has its version on the reference page', () => {
  expect(page).toContain(`Version ${RULES_VERSION} `)
})

describe('normalising', () => {
  it.each([
    ['Nov 22 00:42:46 web-07 sshd[1234]: session opened', '<time> <host> sshd[<pid>]: session opened'],
    ['2026-11-22T00:42:46.123Z INFO started in 12 s', '<time> INFO started in 12 s'],
    ['2026-11-22 00:42:46,123 ERROR web-07', '<time> ERROR <host>'],
    ['2026-11-22 00:42:46 +0100|ok', '<time>|ok'],
    ['00:42:46: done', '<time>: done'],
    ['[2026-11-22 00:42:46,123]', '[<time>]'],
    ['-rw-r--r-- 1 root root 1204 Nov 22 00:42 app.conf', '-rw-r--r-- 1 root root 1204 <time> app.conf'],
    ['-rw-r--r-- 1 root root 1204 Mar  3  2025 app.conf', '-rw-r--r-- 1 root root 1204 <time> app.conf'],
    ['notAfter=Nov 22 00:42:46 2027 GMT', 'notAfter=<time>'],
    ['real\t0m0.003s\nuser\t0m0,001s\n', 'real\t<duration>\nuser\t<duration>\n'],
    ['64 bytes: icmp_seq=1 ttl=64 time=0.034 ms', '64 bytes: icmp_seq=1 ttl=64 time=<duration>'],
    ['backup_2026-11-22_00-42-46.tar.gz', 'backup_<time>.tar.gz'],
    ['link/ether 52:54:00:a1:b2:c3 brd ff:ff:ff:ff:ff:ff', 'link/ether <id> brd <id>'],
    ['I am web-07.example.com', 'I am <host>.example.com'],
    ['I am WEB-07, also node-7', 'I am <host>, also <host>'],
    ['I am node-7.example.com', 'I am <host>'],
    ['/backup/web-07/x', '/backup/<host>/x'],
    ['at 1795308166', 'at <time>'],
    ['<obj at 0x7f8b8c0d5e10>', '<obj at <id>>'],
  ])('makes of %j: %j', (from, to) => {
    expect(show(from)).toBe(to)
  })

  it.each([
    ['counts, sizes and percents', '1234 files, 4096 bytes, 37% of 12345678901'],
    ['versions', 'nginx/1.24.0 2.10.0-rc.1 v20.19.4 3.10.12'],
    ['ports and addresses', '10.0.0.5:443 [::1]:8080 fe80::1ff:fe23:4567:890a 192.168.1.10/24'],
    ['a date without a time', 'built 2026-11-22, expires 22 Nov 2027, 20261122'],
    ['hours and minutes alone', 'window 22:00-06:00, ratio 16:09'],
    ['checksums', 'd41d8cd98f00b204e9800998ecf8427e  app.conf'],
    ['sha256 sums', 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['commits', 'HEAD is now at 9f86d081 Mend the door'],
    ['commits that are called ids', 'commit id: 9f86d081884c, build_id=9f86d081884c'],
    ['settings with a unit', 'timeout=30s interval=1.5s max=500ms in 30 days'],
    ['numbers with a comma', '1,000 seconds, 12,500 ms'],
    ['exit codes and signals', 'exit 137, signal 9'],
    ['an index', 'args[12] = 3'],
    ['hexadecimal flags', 'flags 0x0000000a'],
    ['numbers of ten digits far from now', '1073741824 1200000000 2147483648'],
    ['disks', '1920383410176 bytes'],
    ['columns after a time, up to the time', 'x,200,ok'],
    ['other hosts', 'web-08 web-070 xweb-07 web-07x'],
    ['words with digits', 'ab12:34:56 level2 i18n'],
    ['long lists of octets', 'AB:CD:EF:01:23:45:67:89'],
    ['a word that looks like a temporary name', 'tmp.production'],
    ['what is not ASCII', 'Grüße €5 — 日本'],
  ])('leaves alone %s', (_what, text) => {
    expect(show(text)).toBe(text)
  })

  it('keeps the column after a time in CSV, and the level of a log', () => {
    expect(show('2026-11-22 00:42:46,200,ok')).toBe('<time>,200,ok')
    expect(show('2026-11-22 00:42:46,500')).toBe('<time>,500')
    expect(show('00:42:46 WARN x')).toBe('<time> WARN x')
  })

  it('keeps bytes that are no text', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
    expect(shown(bytes).equals(bytes)).toBe(true)
  })
})

describe('the names of a host', () => {
  it('are those given and their first labels, the longest first', () => {
    expect(ownNames(['Web-07', 'node.example.com'])).toEqual(['node.example.com', 'web-07', 'node'])
  })

  it.each(['localhost', 'localhost.localdomain', 'db', '4711', '10', '', 'a b', 'x"y', '.', 'é-1'])(
    'are none where they would be found in everyday text: %j',
    (name) => {
      expect(ownNames([name])).toEqual([])
    },
  )
})
