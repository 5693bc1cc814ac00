import type { PlatformError } from './errors.js'
import { checkConfirm, checkSize } from './launch.js'

const codeOf = (check: () => void): string | undefined => {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as PlatformError).code
  }
}

describe('a launch', () => {
  it.each<[string, Parameters<typeof checkConfirm>, string | undefined]>([
    ['on nobody is refused', [0, [], undefined], 'target_empty'],
    [
      'on eight hosts is not asked about',
      [8, [{ label: 'rack=a', targeted: 8, carrying: 8 }], undefined],
      undefined,
    ],
    [
      'on a hundred hosts of a large fleet is not asked about',
      [100, [{ label: 'env=prod', targeted: 100, carrying: 5_000 }], undefined],
      undefined,
    ],
    ['on over a hundred is', [101, [], undefined], 'confirmation_required'],
    [
      'on over a fifth of a label group is',
      [30, [{ label: 'env=prod', targeted: 30, carrying: 100 }], undefined],
      'confirmation_required',
    ],
    ['is taken when the number is said', [101, [], 101], undefined],
    ['is refused when another number is said', [101, [], 100], 'confirmation_required'],
    ['is refused when another number is said, even of few', [8, [], 9], 'confirmation_required'],
    ['on more than a run may have is refused whatever is said', [50_001, [], 50_001], 'target_too_large'],
  ])('%s', (_name, args, code) => {
    const [hosts] = args
    expect(codeOf(() => checkSize(hosts)) ?? codeOf(() => checkConfirm(...args))).toBe(code)
  })
})
