/**
 * The prelude: what a shell reads before a script. It declares lists and maps, which no environment can carry, gives the
 * functions `job_success` and `job_fail`, and has the shell write down at its exit what became of the variables.
 */
import { type Variable, VariableType } from '../../proto/index.js'
import { quote } from '../process/command.js'

export interface Prelude {
  text: Buffer
  /** Whether the shell is to tell values at its exit. */
  captures: boolean
}

/** The file, in the script's own folder. */
export const PRELUDE = 'prelude'

/** Folder of what scripts say, in the script's own; and in it, where a shell's values and its mark stand. */
export const SAID = 'said'
export const SHELL = 'shell'
export const SHELL_DONE = 'shell.done'
export const SET = 'set'
export const TAG = 'tag'

/**
 * Undefined where the script needs none. A variable is told of whose name stands in the text: what is not named there cannot
 * be assigned there.
 * @param folder the script's own
 */
export function preludeFor(
  script: { language: string; text: Buffer; variables: readonly Variable[] },
  folder: string,
): Prelude | undefined {
  const { language, variables } = script
  if (language !== 'bash' && language !== 'sh') return undefined
  const text = script.text.toString('latin1')
  const declared =
    language === 'bash' ? variables.filter(({ type }) => type !== VariableType.VARIABLE_TYPE_STRING) : []
  const told = variables.filter(
    (variable) =>
      variable.changeable &&
      (language === 'bash' || variable.type === VariableType.VARIABLE_TYPE_STRING) &&
      new RegExp(`\\b${variable.name}\\b`).test(text),
  )
  const tags = /\bjob_(success|fail)\b/.test(text)
  if (!declared.length && !told.length && !tags) return undefined
  const said = `${folder}/${SAID}`
  const lines = [
    // Programs that the script starts have no part in it.
    ...(language === 'bash' ? [Buffer.from('unset -v BASH_ENV\n')] : []),
    ...declared.map(declaration),
    ...(tags ? [tagFunctions(said)] : []),
    ...(told.length ? [exitTrap(language, told, said)] : []),
  ]
  return { text: Buffer.concat(lines), captures: told.length > 0 }
}

function declaration({ name, type, items }: Variable): Buffer {
  const pieces: Uint8Array[] = [Buffer.from(`unset -v ${name}\n`)]
  if (type === VariableType.VARIABLE_TYPE_LIST) {
    pieces.push(Buffer.from(`${name}=(`))
    for (const item of items) pieces.push(quote(item), Buffer.from(' '))
    pieces.push(Buffer.from(')\n'))
    return Buffer.concat(pieces)
  }
  pieces.push(Buffer.from(`declare -A ${name}=()\n`))
  for (let at = 0; at < items.length; at += 2) {
    // By way of a variable, for a key that stands in the brackets itself would be read as shell text.
    const [key, value] = [items[at] ?? Buffer.alloc(0), items[at + 1] ?? Buffer.alloc(0)]
    pieces.push(
      Buffer.from('_drover_key='),
      quote(key),
      Buffer.from(`; ${name}["$_drover_key"]=`),
      quote(value),
    )
    pieces.push(Buffer.from('\n'))
  }
  pieces.push(Buffer.from('unset -v _drover_key\n'))
  return Buffer.concat(pieces)
}

function tagFunctions(said: string): Buffer {
  const file = quote(Buffer.from(`${said}/${TAG}`))
  return Buffer.concat([
    Buffer.from('_drover_tag() { printf "%s\\n" "$*"; printf %s "$*" >| '),
    file,
    Buffer.from(
      '; }\njob_success() { _drover_tag "$@"; exit 0; }\njob_fail() { _drover_tag "$@"; exit 1; }\n',
    ),
  ])
}

// The script may have changed any option; a value that cannot be written leaves the mark away.
function exitTrap(language: 'bash' | 'sh', told: readonly Variable[], said: string): Buffer {
  const at = (name: string) => quote(Buffer.from(`${said}/${name}`)).toString()
  const writers = told.map((variable) => writer(language, variable, at(`${SHELL}/${variable.name}`)))
  return Buffer.from(`_drover_end() {
  set +eufvx
${writers.map((line) => `  ${line}\n`).join('')}  : >| ${at(SHELL_DONE)}
}
trap _drover_end EXIT
`)
}

function writer(language: 'bash' | 'sh', { name, type }: Variable, file: string): string {
  const print = language === 'bash' ? 'builtin printf' : 'command printf'
  if (type === VariableType.VARIABLE_TYPE_STRING)
    return `if [ -n "\${${name}+x}" ]; then ${print} %s "$${name}" >| ${file} || return 0; fi`
  const values =
    type === VariableType.VARIABLE_TYPE_LIST
      ? `[ "\${#${name}[@]}" = 0 ] || ${print} '%s\\0' "\${${name}[@]}"`
      : `for _drover_key in "\${!${name}[@]}"; do ${print} '%s\\0%s\\0' "$_drover_key" "\${${name}[$_drover_key]}"; done`
  return `if declare -p ${name} >/dev/null 2>&1; then { ${values}; } >| ${file} || return 0; fi`
}
