/** Node sets: `web-[01-03,07]` stands for four names, and folding makes such text from names. */

const MAX_NAMES = 100_000

export class NodesetFault extends Error {
  override name = 'NodesetFault'
}

/**
 * All names of a comma-separated list of node sets, in order, each once.
 * @throws NodesetFault with a message for an operator
 */
export function expandNodeset(text: string): string[] {
  const names = new Set<string>()
  for (const part of splitOutsideBrackets(text)) {
    for (const name of expandOne(part)) {
      names.add(name)
      if (names.size > MAX_NAMES) throw new NodesetFault(`more than ${MAX_NAMES} names`)
    }
  }
  return [...names]
}

function splitOutsideBrackets(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    const char = text[i]
    if (char === '[') depth++
    else if (char === ']') depth--
    if (depth < 0 || depth > 1) throw new NodesetFault(`brackets do not match in "${text}"`)
    if (char === undefined || (char === ',' && depth === 0)) {
      const part = text.slice(start, i).trim()
      if (!part) throw new NodesetFault('an empty name in the list')
      parts.push(part)
      start = i + 1
    }
  }
  if (depth !== 0) throw new NodesetFault(`brackets do not match in "${text}"`)
  return parts
}

function expandOne(text: string): string[] {
  const open = text.indexOf('[')
  if (open < 0) return [text]
  const close = text.indexOf(']', open)
  const numbers = expandRanges(text.slice(open + 1, close))
  const tails = expandOne(text.slice(close + 1))
  if (numbers.length * tails.length > MAX_NAMES) throw new NodesetFault(`more than ${MAX_NAMES} names`)
  return numbers.flatMap((number) => tails.map((tail) => text.slice(0, open) + number + tail))
}

function expandRanges(text: string): string[] {
  return text.split(',').flatMap((range) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range.trim())
    if (!match?.[1]) throw new NodesetFault(`"${range}" is not a number or a range such as 01-40`)
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])]
    if (to < from) throw new NodesetFault(`the range ${range} runs backwards`)
    if (to - from >= MAX_NAMES) throw new NodesetFault(`more than ${MAX_NAMES} names`)
    const width = match[1].length
    return Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(width, '0'))
  })
}

/** The shortest list of node sets for `names`: the last number of each name is folded, zeros in front kept. */
export function foldNodeset(names: Iterable<string>): string {
  const groups = new Map<string, { prefix: string; suffix: string; digits: string[] }>()
  const order: string[] = []
  for (const name of [...new Set(names)].sort(compareNatural)) {
    const match = /^(.*?)(\d+)(\D*)$/.exec(name)
    const digits = match?.[2]
    if (!match || digits === undefined || digits.length > 15) {
      order.push(name)
      groups.set(name, { prefix: name, suffix: '', digits: [] })
      continue
    }
    // Names of other widths fold apart, so that expanding gives back exactly these names.
    const padded = digits.startsWith('0') && digits.length > 1
    const key = `${match[1]}\0${match[3]}\0${padded ? digits.length : ''}`
    const group = groups.get(key)
    if (group) group.digits.push(digits)
    else {
      order.push(key)
      groups.set(key, { prefix: match[1] ?? '', suffix: match[3] ?? '', digits: [digits] })
    }
  }
  return order.map((key) => foldGroup(groups.get(key))).join(',')
}

function foldGroup(group: { prefix: string; suffix: string; digits: string[] } | undefined): string {
  if (!group) return ''
  const [first] = group.digits
  if (first === undefined) return group.prefix
  if (group.digits.length === 1) return group.prefix + first + group.suffix
  const ranges: string[] = []
  let start = first
  let last = first
  for (const digits of [...group.digits.slice(1), undefined]) {
    if (digits !== undefined && Number(digits) === Number(last) + 1) {
      last = digits
      continue
    }
    ranges.push(start === last ? start : `${start}-${last}`)
    if (digits !== undefined) start = last = digits
  }
  return `${group.prefix}[${ranges.join(',')}]${group.suffix}`
}

/** Orders `web-2` before `web-10`. */
export function compareNatural(a: string, b: string): number {
  const [left, right] = [a.split(/(\d+)/), b.split(/(\d+)/)]
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i] ?? '', right[i] ?? '']
    if (x === y) continue
    if (i % 2 === 1 && Number(x) !== Number(y)) return Number(x) - Number(y)
    return x < y ? -1 : 1
  }
  return left.length - right.length
}
