/**
 * Imports: hosts that a script asks for by a comment, `# job_import {{JOB_LAST_FAIL}}`, and gets as a value, one name a line. Those of the step before
 * it are known when its own begins; those of a host list at the launch.
 */
import { PlatformError } from '../errors.js'
import { utf8Length } from '../text.js'
import type { CompiledVariable } from '../variable.js'
import { VALUE_MAX_BYTES } from '../variable-name.js'
import { whyNotOfPlan } from './step-target.js'
import type { Take, Which } from './take.js'

export interface Import {
  name: string
  /** Left out: the host list of this name. */
  take?: Take
}

const ofLastStep: Record<string, Which> = {
  JOB_LAST_ALL: 'all',
  JOB_LAST_SUCCESS: 'succeeded',
  JOB_LAST_FAIL: 'failed',
}

// The signs that begin a comment in the languages that a script may be in.
const DECLARATION =
  /^[ \t]*(?:#|\/\/|::|rem[ \t])[ \t]*job_import[ \t]+\{\{[ \t]*([^{}\s]{1,80})[ \t]*\}\}[ \t]*$/gim

/** What every text that imports something has in it. */
export const IMPORT_WORD = 'job_import'

/** The names that a text asks for, each once. */
export function importedNames(text: string): string[] {
  return [...new Set([...text.matchAll(DECLARATION)].flatMap((found) => found[1] ?? []))]
}

/** By what the names of an imported host list are kept: each visit of a nested plan has lists of its own. */
export const listKey = (name: string, within: number | undefined) =>
  within === undefined ? name : `${within}/${name}`

/** Names as a script gets them. */
export const namesText = (names: readonly string[]) => names.join('\n')

/** What is wrong with what would be imported; undefined if nothing is. */
export function importFault(name: string, names: string): string | undefined {
  const bytes = utf8Length(names)
  return bytes > VALUE_MAX_BYTES
    ? `the names of the hosts in ${name} have ${bytes} bytes, at most ${VALUE_MAX_BYTES} are given to a script`
    : undefined
}

/**
 * @param known.last position of the step before it that has hosts; plan: its name, if that brings a plan
 * @throws PlatformError plan_invalid
 */
export function compileImports(
  names: readonly string[],
  known: {
    last: number | undefined
    plan: string | undefined
    variables: readonly Pick<CompiledVariable, 'name' | 'type'>[]
  },
  where: string,
): Import[] {
  const lists = known.variables.filter(({ type }) => type === 'hostList').map(({ name }) => name)
  return names.map((name): Import => {
    const which = Object.hasOwn(ofLastStep, name) ? ofLastStep[name] : undefined
    const refuse = (why: string) =>
      new PlatformError('plan_invalid', `${where}: its script imports ${name}: ${why}`)
    if (which === undefined && lists.includes(name)) return { name }
    if (which === undefined) throw refuse(`there are ${[...Object.keys(ofLastStep), ...lists].join(', ')}`)
    if (known.plan !== undefined) throw refuse(whyNotOfPlan(known.plan))
    if (known.last === undefined) throw refuse('no step before it has hosts')
    return { name, take: { step: known.last, which } }
  })
}
