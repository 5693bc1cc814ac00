/** `drover runs logs`: what hosts wrote, as it is kept or as it comes. */
import type { Drover, OutputChunk } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { findHost, placeIn } from './find-host.js'
import { listenForInterrupts } from './interrupt.js'
import { connect } from './settings.js'
import { harmless, type Terminal } from './terminal.js'
import { parseRun } from './values.js'

interface LogsOptions {
  host: string[]
  step?: number
  follow?: true
  json?: true
}

export async function logs(terminal: Terminal, run: string, options: LogsOptions): Promise<void> {
  const drover = connect()
  const executionId = parseRun(run)
  const execution = await drover.execution(executionId)
  const { steps } = execution
  const place = placeIn(execution, options.step)
  const named = await Promise.all(options.host.map((name) => findHost(drover, place, name)))
  const wanted = named.length ? named.map((host) => host.hostId) : undefined
  if (options.follow) return followLogs(terminal, drover, executionId, { ...options, wanted })
  const found = []
  for (const step of steps.filter(
    (item) => options.step === undefined || item.position === options.step - 1,
  )) {
    for await (const host of drover.executionHosts(executionId, step.position)) {
      if (wanted && !wanted.includes(host.hostId)) continue
      for (const stream of ['stdout', 'stderr'] as const) {
        const part = await drover.readOutput({
          executionId,
          step: step.position,
          hostId: host.hostId,
          stream,
        })
        if (options.json)
          found.push({
            step: step.position + 1,
            host: host.hostName,
            stream,
            complete: part.complete,
            text: textOf(part.bytes),
          })
        else printPart(terminal, part.bytes, wanted?.length === 1 ? undefined : host.hostName)
      }
    }
  }
  if (options.json) terminal.json({ run: `r-${executionId}`, outputs: found })
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** One host's bytes as they are; several hosts' by lines that begin with the name. */
function printPart(terminal: Terminal, bytes: Uint8Array, name: string | undefined): void {
  if (!bytes.length) return
  if (name === undefined) return terminal.raw(terminal.interactive ? harmless(textOf(bytes)) : bytes)
  for (const line of textOf(bytes).replace(/\n$/, '').split('\n'))
    terminal.data(`${name}: ${terminal.interactive ? harmless(line) : line}`)
}

interface FollowOptions extends LogsOptions {
  wanted: string[] | undefined
}

async function followLogs(
  terminal: Terminal,
  drover: Drover,
  executionId: string,
  options: FollowOptions,
): Promise<void> {
  if (options.json)
    throw new UsageError('--follow prints as it comes, and --json at the end: give one of them')
  using interrupts = listenForInterrupts(terminal, drover, executionId)
  const lines = new Map<string, string>()
  const step = options.step === undefined ? undefined : options.step - 1
  try {
    for await (const event of drover.followOutput(executionId, {
      step,
      hostIds: options.wanted,
      signal: interrupts.left,
    })) {
      if (event.type === 'chunk')
        printChunk(terminal, event, options.wanted?.length === 1 ? undefined : lines)
    }
  } catch (error) {
    interrupts.left.throwIfAborted()
    throw error
  }
  for (const [key, rest] of lines) if (rest) terminal.data(`${key.split('\0')[0]}: ${rest}`)
}

/** @param lines what each stream has of a line that has not ended; undefined for one host, whose bytes pass as they come */
function printChunk(terminal: Terminal, chunk: OutputChunk, lines: Map<string, string> | undefined): void {
  const bytes = chunk.bytes === undefined ? Buffer.from(chunk.text) : Buffer.from(chunk.bytes, 'base64')
  if (!lines) return printPart(terminal, bytes, undefined)
  const key = `${chunk.hostName}\0${chunk.stream}\0${chunk.stepPosition}`
  const whole = ((lines.get(key) ?? '') + bytes.toString()).split('\n')
  lines.set(key, whole.pop() ?? '')
  for (const line of whole)
    terminal.data(`${chunk.hostName}: ${terminal.interactive ? harmless(line) : line}`)
}
