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
import { endingOf, languageOfFile, readScript } from './script-input.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, printLines, type Terminal } from './terminal.js'
import { parseUse } from './values.js'

interface Json {
  json?: true
}

export async function listScripts(
  terminal: Terminal,
  options: Json & { public?: true; name?: string; tag?: string; lang?: string; text?: string },
): Promise<void> {
  const { name, tag, lang, text, public: isPublic } = options
  const scripts = []
  // The server knows the languages, and says which they are.
  const language = lang as Script['language'] | undefined
  for await (const script of connect().scripts({ public: isPublic, name, tag, language, text }))
    scripts.push(script)
  if (options.json) return terminal.json({ items: scripts })
  if (!scripts.length) return terminal.talk('no scripts; put one there with: drover scripts put NAME FILE')
  const rows = scripts.map((script) => [
    script.uses,
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
    return terminal.raw(terminal.interactive ? harmless(found.content) : found.content)
  }
  const script = await drover.script(name)
  const versions = []
  for await (const item of drover.scriptVersions(name)) versions.push(item)
  if (options.json) return terminal.json({ ...script, versions })
  terminal.data(
    [`${script.uses} (${script.language})`, harmless(script.description), script.tags.join(', ')]
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
    await drover.createScript({
      ...version,
      name,
      // The server knows the languages, and says which they are.
      language: input.language as NonNullable<NewScript['language']>,
      ...(description === undefined ? {} : { description }),
      ...(tag.length ? { tags: tag } : {}),
    })
    const { latest } = await drover.script(name)
    return tell(terminal, options, { name, version: await drover.scriptVersion(name, latest ?? 1) })
  }
  refuseOtherKind(before, file, options)
  const latest = before.latest === null ? undefined : await drover.scriptVersion(name, before.latest)
  const isSame = latest?.content === input.script && latest.state !== 'disabled'
  if (!isSame)
    return tell(terminal, options, { name, version: await drover.createScriptVersion(name, version) })
  if (publish && latest.state !== 'online') {
    const { revision } = latest
    const version = await drover.publishScriptVersion(name, latest.version, { revision })
    return tell(terminal, options, { name, version })
  }
  tell(terminal, options, { name, version: latest, more: 'unchanged' })
}

/** What a new version cannot change. @throws UsageError */
function refuseOtherKind(script: Script, file: string, options: PutOptions): void {
  const { name, language } = script
  if (options.description !== undefined || options.tag.length)
    throw new UsageError(
      `there is a script ${name}; change its tags and description with: drover scripts tag`,
    )
  const said = options.lang ?? languageOfFile(file)
  const isShell = (text: string) => text === 'sh' || text === 'bash'
  if (said === undefined || said === language || (isShell(said) && isShell(language))) return
  throw new UsageError(
    `${name} is a script in ${language}, and ${options.lang === undefined ? file : '--lang'} says ${said}: a version has the language of its script; take another name`,
  )
}

/** One shape for all that changes a version. */
function tell(
  terminal: Terminal,
  options: Json,
  { name, version, more }: { name: string; version: ScriptVersion & { content?: string }; more?: string },
): void {
  const { content: _text, ...told } = version
  if (options.json) return terminal.json({ name, ...told })
  terminal.talk(`${name}@${version.version} is ${version.state}${more === undefined ? '' : `, ${more}`}`)
}

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
  const { name, version } = await versionOf(drover, text)
  const before = await drover.scriptVersion(name, version)
  const { language } = await drover.script(name)
  const edited = editText(before.content, `${name.replaceAll('/', '-')}@${version}${endingOf(language)}`)
  const note = options.note === undefined ? {} : { note: options.note }
  if (edited.text === before.content) {
    edited.forget()
    return tell(terminal, options, { name, version: before, more: 'unchanged' })
  }
  const content = edited.text
  try {
    const made =
      before.state === 'draft'
        ? await drover.editScriptVersion(name, version, { content, revision: before.revision, ...note })
        : await drover.createScriptVersion(name, { content, ...note })
    edited.forget()
    tell(terminal, options, { name, version: made })
  } catch (error) {
    terminal.talk(`your text is kept in ${edited.file}`)
    throw error
  }
}

/** The version that is named, or the latest. @throws UsageError */
async function versionOf(drover: Drover, text: string): Promise<{ name: string; version: number }> {
  const { name, version } = parseUse(text)
  const number = version ?? (await drover.script(name)).latest
  if (number === null) throw new UsageError(`${name} has no version`, exitCodes.conflict)
  return { name, version: number }
}

/** @param text `deploy` is its latest version */
export async function publishScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const { name, version } = await versionOf(drover, text)
  const { revision } = await drover.scriptVersion(name, version)
  tell(terminal, options, { name, version: await drover.publishScriptVersion(name, version, { revision }) })
}

export async function disableScript(terminal: Terminal, text: string, options: Json): Promise<void> {
  const { name, version } = mustName(text)
  tell(terminal, options, { name, version: await connect().disableScriptVersion(name, version) })
}

/** From the first to the second; with one alone, from the version that is online to it. */
export async function diffScript(
  terminal: Terminal,
  text: string,
  to: string | undefined,
  options: Json,
): Promise<void> {
  const drover = connect()
  const named = mustName(text)
  const [from, after] =
    to === undefined ? [await onlineOf(drover, named.name), named] : [named, await versionOf(drover, to)]
  const [before, now] = await Promise.all(
    [from, after].map(({ name, version }) => drover.scriptVersion(name, version)),
  )
  const lines = unifiedDiff(before?.content ?? '', now?.content ?? '')
  if (options.json) return terminal.json({ from: before, to: now, diff: lines })
  if (before?.content === now?.content) return terminal.talk('the texts are the same')
  if (!lines.length) return terminal.talk('the texts differ in the line break at their end alone')
  const head = [`--- ${from.name}@${from.version}`, `+++ ${after.name}@${after.version}`]
  printLines(terminal, [...head, ...lines])
}

async function onlineOf(drover: Drover, name: string): Promise<{ name: string; version: number }> {
  const { online } = await drover.script(name)
  if (online === null)
    throw new UsageError(
      `no version of ${name} is online; name a second one, as ${name}@1`,
      exitCodes.conflict,
    )
  return { name, version: online }
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
  if (!changes.length && description === undefined)
    throw new UsageError('nothing to change: name tags, or give --description')
  const change = description === undefined ? { tags } : { tags, description }
  const script = await drover.changeScript(name, { revision, ...change })
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

/** Which steps of jobs and plans use a script, and what they mean by it now. */
export async function usesOfScript(terminal: Terminal, name: string, options: Json): Promise<void> {
  const { items, more, elsewhere } = await connect().scriptCitations(name)
  if (options.json) return terminal.json({ items, more, elsewhere })
  // Who may not change a public script is not told of other scopes.
  const here = elsewhere === null ? ' of this scope' : ''
  if (!items.length && !elsewhere) return terminal.talk(`no job and no plan${here} uses ${name}`)
  const rows = items.map(({ job, plan, step, uses, version, state }) => [
    plan === null ? job : `${job}/${plan}`,
    step,
    uses,
    version === null ? 'no such version' : `${version} ${state}`,
  ])
  if (rows.length) terminal.data(tableOf(['JOB OR PLAN', 'STEP', 'USES', 'VERSION'], rows))
  if (more) terminal.talk('there are more than 1,000')
  if (elsewhere)
    terminal.talk(`used in ${elsewhere} ${elsewhere === 1 ? 'step' : 'steps'} of other scopes, too`)
}

/** @param text `deploy@3`: jobs that name another version name this one from now on */
export async function syncScript(
  terminal: Terminal,
  text: string,
  jobs: string[],
  options: Json,
): Promise<void> {
  const { name, version } = mustName(text)
  const synced = await connect().syncScript(name, jobs.length ? { to: version, jobs } : { to: version })
  if (options.json) return terminal.json(synced)
  if (!synced.jobs.length) return terminal.talk(`no job names another version of ${name}`)
  for (const { job, steps } of synced.jobs)
    terminal.talk(`${job} uses ${name}@${version} in ${steps.map((step) => `"${step}"`).join(', ')}`)
  if (synced.more) terminal.talk('there are more jobs: sync again')
  terminal.talk('plans keep what they have until: drover jobs sync JOB')
}
