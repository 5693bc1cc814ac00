/** What a command line becomes on a host: checked with a real shell. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readScript } from './script-input.js'

describe('readScript', () => {
  it('passes several words exactly as they were given', () => {
    const words = ['printf', '[%s]', 'a b', "it's", '$HOME', '*', '', 'line\nbreak', '\\', '"']
    const { script } = readScript(words, {})
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe(
      words
        .slice(2)
        .map((word) => `[${word}]`)
        .join(''),
    )
  })

  it('takes one word as shell text', () => {
    const { script } = readScript(['echo a b | tr a-z A-Z'], {})
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('A B\n')
  })

  it('keeps a multi-line script whole and names it by its words', () => {
    const input = readScript(['echo a\necho b'], {})
    expect(input).toMatchObject({ script: 'echo a\necho b\n', name: 'echo a echo b', language: 'bash' })
  })

  it('reads a file, with the language of its name and the words as arguments', () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-cli-'))
    try {
      writeFileSync(join(folder, 'check.py'), 'print(1)')
      expect(readScript(['-v', 'x y'], { file: join(folder, 'check.py') })).toEqual({
        script: 'print(1)',
        language: 'python',
        arguments: ['-v', 'x y'],
        name: 'check.py',
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it.each([
    ['nothing', [], {}],
    ['several words of Python', ['print(1)', 'x'], { lang: 'python' }],
    ['a file that is not there', [], { file: '/nowhere/x.sh' }],
  ])('refuses %s', (_what, words, options) => {
    expect(() => readScript(words, options)).toThrow(expect.objectContaining({ name: 'UsageError' }))
  })
})
