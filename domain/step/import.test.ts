import { compileImports, importedNames } from './import.js'

describe('what a script imports', () => {
  it.each([
    ['#!/bin/bash\n# job_import {{JOB_LAST_FAIL}}\necho', ['JOB_LAST_FAIL']],
    ['# job_import {{ WEB }}\r\n#job_import {{WEB}}\r\n', ['WEB']],
    ['// job_import {{WEB}}', ['WEB']],
    [':: job_import {{WEB}}\nREM job_import {{DB}}', ['WEB', 'DB']],
    ['echo "# job_import {{WEB}}"', []],
    ['# job_import {{WEB}} and more', []],
    ['# job_import WEB', []],
  ])('is declared in %j', (text, names) => {
    expect(importedNames(text)).toEqual(names)
  })

  it('is found in a long text in a time that its length tells', () => {
    const from = performance.now()
    expect(importedNames(`#${' '.repeat(500_000)}\n${'# job_import {{'.repeat(20_000)}`)).toEqual([])
    expect(performance.now() - from).toBeLessThan(1_000)
  })

  const variables = [
    { name: 'WEB', type: 'hostList' },
    { name: 'S', type: 'string' },
  ] as const
  const compile = (names: string[], last?: number) =>
    compileImports(names, { last, plan: undefined, variables }, 'step 3 "x"')

  it('is of the step before it that has hosts, or a host list', () => {
    expect(compile(['JOB_LAST_ALL', 'JOB_LAST_SUCCESS', 'JOB_LAST_FAIL', 'WEB'], 1)).toEqual([
      { name: 'JOB_LAST_ALL', take: { step: 1, which: 'all' } },
      { name: 'JOB_LAST_SUCCESS', take: { step: 1, which: 'succeeded' } },
      { name: 'JOB_LAST_FAIL', take: { step: 1, which: 'failed' } },
      { name: 'WEB' },
    ])
  })

  it.each([
    [['S'], 1, /imports S: there are JOB_LAST_ALL, JOB_LAST_SUCCESS, JOB_LAST_FAIL, WEB/],
    [['constructor'], 1, /imports constructor/],
    [['JOB_LAST_FAIL'], undefined, /no step before it has hosts/],
  ])('is refused where it is not there: %j', (names, last, why) => {
    expect(() => compile(names, last)).toThrow(why)
  })
})
