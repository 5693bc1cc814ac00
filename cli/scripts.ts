/** `drover scripts ls | show | put | edit | publish | disable | diff | tag | rm`. */
import {
  DroverError,
  type Drover,
  type NewScript,
  type Script,
  type ScriptVersion,
  unifiedDiff,
} from '../sdk/index.js'
import { editText } from './editor.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { readScript } from './script-input.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import type { Terminal } from './terminal.js'
import { parseUse } from './values.js'

interface Json {
  json?: true
}

export async function listScripts(
  terminal: Terminal,
  options: Json & { name?: string; tag?: string; lang?: string; text?: string },
): Promise<void> {
  const { name, tag, lang, text } = options
  const scripts = []
  // The server knows the languages, and says which they are.
  const language = lang as Script['language'] | undefined
  for await (const script of connect().scripts({ name, tag, language, text })) scripts.push(script)
  if (options.json) return terminal.json({ items: scripts })
  if (!scripts.length) return terminal.talk('no scripts; put one there with: drover scripts put NAME FILE')
  const rows = scripts.map((script) => [
    script.name,
    script.language,
    script.online,
    script.latest,
    script.tags.join(',') || '-',
    script.description,
  ])
  terminal.data(tableOf(['NAME', 'LANGUAGE', 'ONLINE', 'LATEST', 'TAGS', 'DESCRIPTION'], rows))
}

/** A script and its versions; with a number, that version's text. */
export async function showScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { name, version } = parseUse(text)
  if (version !== undefined) {
    const found = await drover.scriptVersion(name, version)
    if (options.json) return terminal.json(found)
    return terminal.data(found.content.replace(/\n$/, ''))
  }
  const script = await drover.script(name)
  const versions = []
  for await (const item of drover.scriptVersions(name)) versions.push(item)
  if (options.json) return terminal.json({ ...script, versions })
  terminal.data(
    [`${script.name} (${script.language})`, script.description, script.tags.join(', ')]
      .filter(Boolean)
      .join('\n'),
  )
  const rows = versions.map((item) => [
    item.version,
    item.state,
    item.bytes,
    item.sha256.slice(0, 12),
    item.createdBy,
    item.createdAt,
    item.note,
  ])
  terminal.data(tableOf(['VERSION', 'STATE', 'BYTES', 'SHA256', 'BY', 'CREATED', 'NOTE'], rows))
}

export interface PutOptions extends Json {
  lang?: string
  note?: string
  description?: string
  tag: string[]
  publish?: true
}

/** A new script, or a new version of one that is there; the same text again makes none. */
export async function putScript(
  terminal: Terminal,
  name: string,
  file: string,
  options: PutOptions,
): Promise<void> {
  const drover = connect()
  const input = readScript([], { file, lang: options.lang })
  const { note, publish } = options
  const version = {
    content: input.script,
    ...(note === undefined ? {} : { note }),
    ...(publish ? { publish: true } : {}),
  }
  const before = await find(drover, name)
  if (!before) {
    const { description, tag } = options
    const script = {
      ...version,
      name,
      // The server knows the languages, and says which they are.
      language: input.language as NonNullable<NewScript['language']>,
      ...(description === undefined ? {} : { description }),
      ...(tag.length ? { tags: tag } : {}),
    }
    const made = await drover.createScript(script)
    return tell(terminal, options, made, { version: 1, state: publish ? 'online' : 'draft' })
  }
  if (options.description !== undefined || options.tag.length)
    throw new UsageError(`there is a script ${name}; change what it is called by with: drover scripts tag`)
  if (before.latest !== null) {
    const latest = await drover.scriptVersion(name, before.latest)
    if (latest.content === input.script && !publish) return tell(terminal, options, before, unchanged(latest))
  }
  const made = await drover.createScriptVersion(name, version)
  tell(terminal, options, await drover.script(name), made)
}

/** @param now the version that it was about, and what it is */
function tell(
  terminal: Terminal,
  options: Json,
  script: Script,
  now: { version: number; state: string },
): void {
  if (options.json) return terminal.json({ ...script, version: now.version })
  terminal.talk(`${script.name}@${now.version} is ${now.state}`)
}

const unchanged = ({ version, state }: ScriptVersion) => ({ version, state: `${state}, unchanged` })

async function find(drover: Drover, name: string): Promise<Script | undefined> {
  try {
    return await drover.script(name)
  } catch (error) {
    if (error instanceof DroverError && error.code === 'script_unknown') return undefined
    throw error
  }
}

/** Opens a version in the editor: a draft is changed, any other becomes a new draft. */
export async function editScript(
  terminal: Terminal,
  text: string,
  options: Json & { note?: string },
): Promise<void> {
  const drover = connect()
  const { name, version } = parseUse(text)
  const number = version ?? (await drover.script(name)).latest
  if (number === null) throw new UsageError(`${name} has no version`, exitCodes.refused)
  const before = await drover.scriptVersion(name, number)
  const edited = editText(before.content, `${name}@${number}`)
  const note = options.note === undefined ? {} : { note: options.note }
  if (edited.text === before.content) {
    edited.forget()
    return tell(terminal, options, await drover.script(name), unchanged(before))
  }
  const content = edited.text
  try {
    const { version: made } =
      before.state === 'draft'
        ? await drover.editScriptVersion(name, number, { content, revision: before.revision, ...note })
        : await drover.createScriptVersion(name, { content, ...note })
    edited.forget()
    tell(terminal, options, await drover.script(name), { version: made, state: 'draft' })
  } catch (error) {
    terminal.talk(`your text is kept in ${edited.file}`)
    throw error
  }
}

/** @param text `deploy` is its latest version */
export async function publishScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { name, version } = parseUse(text)
  const number = version ?? (await drover.script(name)).latest
  if (number === null) throw new UsageError(`${name} has no version`, exitCodes.refused)
  const published = await drover.publishScriptVersion(name, number)
  if (options.json) return terminal.json(published)
  terminal.talk(`${name}@${number} is online`)
}

export async function disableScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const { name, version } = mustName(text)
  const disabled = await connect().disableScriptVersion(name, version)
  if (options.json) return terminal.json(disabled)
  terminal.talk(`${name}@${version} is disabled: nothing that names it starts any more`)
}

/** @param text `deploy@2`; its other version is the one that is online unless `to` names it */
export async function diffScript(
  terminal: Terminal,
  text: string,
  to: string | undefined,
  options: Json,
): Promise<void> {
  const drover = connect()
  const from = mustName(text)
  const other = to === undefined ? { name: from.name, version: undefined } : parseUse(to)
  const number = other.version ?? (await drover.script(other.name)).online
  if (number === null)
    throw new UsageError(`no version of ${other.name} is online; name one, as ${other.name}@1`)
  const [before, after] = await Promise.all([
    drover.scriptVersion(from.name, from.version),
    drover.scriptVersion(other.name, number),
  ])
  const lines = unifiedDiff(before.content, after.content)
  if (options.json) return terminal.json({ from: before, to: after, diff: lines })
  if (!lines.length) return terminal.talk('the texts are the same')
  terminal.data([`--- ${from.name}@${from.version}`, `+++ ${other.name}@${number}`, ...lines].join('\n'))
}

/** @param changes `nightly` adds a tag, `nightly-` takes it away */
export async function tagScript(
  terminal: Terminal,
  name: string,
  changes: string[],
  options: Json & { description?: string },
): Promise<void> {
  const drover = connect()
  const { revision, tags: before } = await drover.script(name)
  const gone = changes.filter((tag) => tag.endsWith('-')).map((tag) => tag.slice(0, -1))
  const added = changes.filter((tag) => !tag.endsWith('-'))
  const tags = [...new Set([...before.filter((tag) => !gone.includes(tag)), ...added])]
  const { description } = options
  const script = await drover.changeScript(name, {
    revision,
    tags,
    ...(description === undefined ? {} : { description }),
  })
  if (options.json) return terminal.json(script)
  terminal.talk(`${name}: ${script.tags.join(', ') || 'no tags'}`)
}

/** A version, or with no number the script with all of them. */
export async function removeScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { name, version } = parseUse(text)
  const removed =
    version === undefined ? await drover.deleteScript(name) : await drover.deleteScriptVersion(name, version)
  if (options.json) return terminal.json(removed)
  terminal.talk(version === undefined ? `script ${name} is gone` : `${name}@${version} is gone`)
}

/** @throws UsageError unless it names a version */
function mustName(text: string): { name: string; version: number } {
  const { name, version } = parseUse(text)
  if (version === undefined) throw new UsageError(`"${text}" should name a version, as ${name}@1`)
  return { name, version }
}
