/** What a script said of itself: its tag, and the variables that it set. The files are the account's, so nothing of them is trusted. */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SAID, SET, SHELL, SHELL_DONE, TAG } from '../capability/prelude.js'
import { fromFile } from '../capability/variables.js'
import { isMissing } from '../files.js'
import { type Mask, maskPiece } from '../output/mask.js'
import { type Variable, VariableType } from '../../proto/index.js'

const TAG_MAX_CHARACTERS = 256

/** Of one value; as much as the server takes. */
const VALUE_MAX_BYTES = 80_000
/** Of all that one task tells, so that its record stays small. */
const ALL_MAX_BYTES = 256_000

export interface Said {
  tag: string
  /** Those that the script may change and has changed. */
  variables: Variable[]
  /** Why values are not known although they should be; undefined if they are. */
  lost: string | undefined
}

interface Saying {
  /** Whether the shell was to tell its values at its exit. */
  expected: boolean
  /** What must not be seen of it; none where the task has no secrets. */
  mask: Mask | undefined
}

/**
 * @param scriptFolder of the task; it is the account's, and its owner's files alone are read, so that no link leads to others
 */
export function readSaid(
  scriptFolder: string,
  variables: readonly Variable[],
  { expected, mask }: Saying,
): Said {
  const folder = join(scriptFolder, SAID)
  const owner = statSync(scriptFolder, { throwIfNoEntry: false })?.uid
  if (owner === undefined || !existsSync(folder))
    return { tag: '', variables: [], lost: expected ? NO_MARK : undefined }
  const read = (name: string, max: number) => readOwn(join(folder, name), owner, max)
  const tag = cleanTag(read(TAG, 4 * TAG_MAX_CHARACTERS), mask)
  const isMarked = existsSync(join(folder, SHELL_DONE))
  const told: Variable[] = []
  let lost = expected && !isMarked ? NO_MARK : undefined
  let bytes = 0
  for (const variable of variables) {
    if (!variable.changeable) continue
    const items = newValue(variable, read, isMarked)
    if (items === undefined) continue
    bytes += items === 'unreadable' ? 0 : items.reduce((sum, item) => sum + item.length + 1, 0)
    if (items === 'unreadable' || bytes > ALL_MAX_BYTES) {
      lost = `the value of ${variable.name} cannot be taken: at most ${VALUE_MAX_BYTES} bytes of one and ${ALL_MAX_BYTES} of all, without NUL`
      continue
    }
    told.push({ ...variable, items: items.map((item) => maskOne(mask, item)) })
  }
  return { tag, variables: told, lost }
}

const NO_MARK =
  'what the script assigned to variables is lost: it ended by exec, has an EXIT trap of its own, closed its shell, or found no room on the disk; use drover-set, or let the step say onUncaptured: keep'

type Read = (name: string, max: number) => Buffer | 'unreadable' | undefined

/** Undefined where the script has not changed it. What a shell variable holds at the end counts before what drover-set said. */
function newValue(variable: Variable, read: Read, isMarked: boolean): Buffer[] | 'unreadable' | undefined {
  const { name, type } = variable
  if (isMarked) {
    const assigned = itemsOf(type, read(`${SHELL}/${name}`, VALUE_MAX_BYTES))
    if (assigned === 'unreadable') return assigned
    if (assigned && !isSame(assigned, variable)) return assigned
  }
  return itemsOf(type, read(`${SET}/${name}`, VALUE_MAX_BYTES))
}

function itemsOf(type: Variable['type'], bytes: ReturnType<Read>): Buffer[] | 'unreadable' | undefined {
  return bytes === undefined || bytes === 'unreadable' ? bytes : (fromFile(type, bytes) ?? 'unreadable')
}

/** Whether a shell still holds what it was given; the order of a map's keys is its own. */
function isSame(items: readonly Buffer[], { type, items: given }: Variable): boolean {
  const text = (all: readonly Buffer[]) => all.map((item) => item.toString('latin1'))
  const sorted = (all: readonly Buffer[]) => {
    const texts = text(all)
    return texts.flatMap((key, at) => (at % 2 ? [] : [`${key}\0${texts[at + 1] ?? ''}`])).sort()
  }
  const [a, b] =
    type === VariableType.VARIABLE_TYPE_MAP ? [sorted(items), sorted(given)] : [text(items), text(given)]
  const isEmptyString =
    type === VariableType.VARIABLE_TYPE_STRING &&
    !given.length &&
    items.length === 1 &&
    items[0]?.length === 0
  return isEmptyString || (a.length === b.length && a.every((one, at) => one === b[at]))
}

/** A plain file of this owner, without following a link; a folder on the way may be a link, and leads to files of others. */
function readOwn(path: string, owner: number, max: number): Buffer | 'unreadable' | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    return isMissing(error) ? undefined : 'unreadable'
  }
  try {
    const entry = fstatSync(file)
    if (!entry.isFile() || entry.uid !== owner || entry.size > max) return 'unreadable'
    const bytes = Buffer.alloc(entry.size)
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0))
  } catch {
    return 'unreadable'
  } finally {
    closeSync(file)
  }
}

/** One line of text that a page can show. */
function cleanTag(said: Buffer | 'unreadable' | undefined, mask: Mask | undefined): string {
  if (!Buffer.isBuffer(said)) return ''
  // Before anything of it is taken away or cut off: what is left of a secret would not be found.
  const text = maskOne(mask, said)
    .toString('utf8')
    .replaceAll(/[\p{Cc}\p{Surrogate}]+/gu, ' ')
    .trim()
  return Array.from(text).slice(0, TAG_MAX_CHARACTERS).join('')
}

/** All of it is there, so that nothing has to be held back. */
function maskOne(mask: Mask | undefined, bytes: Buffer): Buffer {
  if (!mask) return bytes
  return maskPiece(mask, { bytes, isEnd: true, isCut: false }, { from: 0, length: bytes.length })
}
