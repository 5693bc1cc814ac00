/** Targets: the one grammar that names hosts, parsed here and resolved by the store; the EBNF stands in docs/glossary.md. */
import { isId } from './id.js'
import { type HostState, hostStates, retriedStates } from './host-result.js'
import { expandNodeset, NodesetFault } from './nodeset.js'

/** Most hosts of one execution. */
export const TARGET_MAX_HOSTS = 50_000

export type Requirement =
  | { key: string; op: 'in'; values: string[] }
  | { key: string; op: 'not in'; values: string[] }
  | { key: string; op: 'exists' }
  | { key: string; op: 'missing' }

/** One line of a target; a target is the union of its lines. */
export type TargetTerm =
  | { kind: 'all' }
  | { kind: 'names'; names: string[] }
  | { kind: 'ids'; ids: string[] }
  | { kind: 'group'; group: string }
  | { kind: 'run'; executionId: string; step: number | undefined; states: HostState[] | undefined }
  | { kind: 'labels'; requirements: Requirement[] }

export class TargetFault extends Error {
  override name = 'TargetFault'
}

/**
 * Parses a target: one term a line, `#` starts a comment line.
 * @throws TargetFault with a message for an operator
 */
export function parseTarget(text: string): TargetTerm[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('#'))
  if (!lines.length) throw new TargetFault('the target is empty; write * for every host of the scope')
  return lines.map(parseTerm)
}

function parseTerm(line: string): TargetTerm {
  if (line === '*') return { kind: 'all' }
  const match = /^(name|id|group|run):(.*)$/s.exec(line)
  if (!match) return { kind: 'labels', requirements: parseSelector(line) }
  const rest = (match[2] ?? '').trim()
  const kind = match[1] as 'name' | 'id' | 'group' | 'run'
  switch (kind) {
    case 'name':
      return { kind: 'names', names: names(rest) }
    case 'id':
      return { kind: 'ids', ids: ids(rest) }
    case 'group':
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(rest))
        throw new TargetFault(`"${rest}" is not the name of a group`)
      return { kind: 'group', group: rest }
    case 'run':
      return parseRun(rest)
  }
}

function names(text: string): string[] {
  try {
    return expandNodeset(text)
  } catch (error) {
    if (error instanceof NodesetFault) throw new TargetFault(`name:${text.slice(0, 80)}: ${error.message}`)
    throw error
  }
}

function ids(text: string): string[] {
  const list = text.split(',').map((id) => id.trim())
  const bad = list.find((id) => !isId(id))
  if (bad !== undefined)
    throw new TargetFault(`id: "${bad.slice(0, 40)}" is not a host id; ids are numbers, as in id:7,12`)
  return [...new Set(list)]
}

function parseRun(text: string): TargetTerm {
  const [place = '', state, ...more] = text.split(':')
  const [id = '', number, ...deeper] = place.split('/')
  const executionId = id.startsWith('r-') ? id.slice(2) : id
  const isStep = number === undefined || /^[1-9]\d{0,3}$/.test(number)
  if (!isId(executionId) || !isStep || more.length || deeper.length)
    throw new TargetFault(
      `"run:${text.slice(0, 60)}" should read run:812, run:812:failed or run:812/2:failed`,
    )
  const step = number === undefined ? undefined : Number(number) - 1
  return {
    kind: 'run',
    executionId,
    step,
    states: state === undefined ? undefined : statesOf(state, `run:${place}`),
  }
}

/** @throws TargetFault */
function statesOf(word: string, where: string): HostState[] {
  if (word === 'failed') return [...retriedStates]
  if ((hostStates as readonly string[]).includes(word)) return [word as HostState]
  throw new TargetFault(`${where}: "${word}" is not a state; one of failed, ${hostStates.join(', ')}`)
}

const KEY = '(?:fact\\.)?[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?'
const VALUE = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?'
const compare = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE}|)$`)
const membership = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const existence = new RegExp(`^(!?)\\s*(${KEY})$`)
const value = new RegExp(`^${VALUE}$`)

/** A label selector as in Kubernetes: requirements joined by commas, all of which must hold. */
export function parseSelector(text: string): Requirement[] {
  return splitRequirements(text).map((part) => {
    const match = compare.exec(part) ?? membership.exec(part) ?? existence.exec(part)
    if (!match) {
      throw new TargetFault(
        `"${part.slice(0, 80)}" is not a target; write name:web-[01-40], id:7, group:g, run:812:failed, or labels as env=prod,role in (web,db),!canary`,
      )
    }
    const [, first = '', op = '', list] = match
    if (first === '' || first === '!') return { key: op, op: first ? 'missing' : 'exists' }
    if (op === 'in' || op === 'notin')
      return { key: first, op: op === 'in' ? 'in' : 'not in', values: valueList(list ?? '') }
    return { key: first, op: op === '!=' ? 'not in' : 'in', values: [list ?? ''] }
  })
}

function valueList(text: string): string[] {
  const values = text.split(',').map((item) => item.trim())
  const bad = values.find((item) => !value.test(item))
  if (bad !== undefined) throw new TargetFault(`"${bad.slice(0, 60)}" is not a label value`)
  return values
}

function splitRequirements(text: string): string[] {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim())
  if (parts.some((part) => !part))
    throw new TargetFault(`"${text.slice(0, 80)}": a requirement between commas is empty`)
  return parts
}

const labelKey = new RegExp(`^${KEY}$`)

/** Why `key`/`text` cannot be a label, or undefined. Facts are the agent's word and cannot be set as labels. */
export function labelFault(key: string, text: string): string | undefined {
  if (!labelKey.test(key))
    return `"${key.slice(0, 80)}" is not a label key (letters, digits, . _ / -, at most 63)`
  if (key.startsWith('fact.')) return 'keys that start with fact. belong to the agent'
  if (text !== '' && !value.test(text))
    return `"${text.slice(0, 80)}" is not a label value (letters, digits, . _ -, at most 63)`
  return undefined
}
