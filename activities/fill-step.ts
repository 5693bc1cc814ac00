/** Putting values in the places of `${NAME}` in a step's own fields; never in the text of its script. */
import { type CompiledScriptStep, placeFault } from '../domain/step/script-step.js'
import type { CompiledRebootStep } from '../domain/step/reboot-step.js'
import type { CompiledSqlStep } from '../domain/step/sql-step.js'
import type { CompiledHostStep } from '../domain/step/step.js'
import { capLimit, TIMEOUT_MAX_MS } from '../domain/script.js'
import { piecesOf } from '../domain/variable.js'
import type { Input } from './step-inputs.js'

/** A script step whose fields hold what they will be on the hosts. */
export interface FilledScriptStep extends Omit<CompiledScriptStep, 'arguments' | 'timeoutMs'> {
  timeoutMs: number
  /** Bytes, for what a script has set need not be UTF-8. */
  arguments: Buffer[]
}

export interface FilledSqlStep extends Omit<CompiledSqlStep, 'timeoutMs'> {
  timeoutMs: number
}

export type FilledStep = FilledScriptStep | FilledSqlStep | CompiledRebootStep

/** In words for whoever launched it: a value does not fit where it is to stand. */
export class FillFault extends Error {
  override name = 'FillFault'
}

/** @throws FillFault */
export function fillStep(step: CompiledHostStep, inputs: readonly Input[]): FilledStep {
  if (step.type === 'reboot') return step
  const fill = filler(inputs)
  const filled = step.type === 'sql' ? fillSql(step, fill) : fillScript(step, fill)
  const fault = placeFault({ workingDirectory: '', ...filled })
  if (fault) throw new FillFault(fault)
  return filled
}

type Fill = (text: string) => Buffer

function fillSql(step: CompiledSqlStep, fill: Fill): FilledSqlStep {
  return { ...step, account: textOf(fill(step.account), 'the account'), timeoutMs: limitIn(step, fill) }
}

function fillScript(step: CompiledScriptStep, fill: Fill): FilledScriptStep {
  return {
    ...step,
    arguments: step.arguments.map(fill),
    workingDirectory: textOf(fill(step.workingDirectory), 'the working directory'),
    account: textOf(fill(step.account), 'the account'),
    timeoutMs: limitIn(step, fill),
  }
}

function filler(inputs: readonly Input[]): Fill {
  if (!inputs.length) return (text) => Buffer.from(text)
  const values = new Map(inputs.map(({ name, items }) => [name, items[0] ?? Buffer.alloc(0)]))
  return (text) =>
    Buffer.concat(
      piecesOf(text).map((piece) =>
        'text' in piece ? Buffer.from(piece.text) : (values.get(piece.name) ?? Buffer.alloc(0)),
      ),
    )
}

function textOf(bytes: Buffer, what: string): string {
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes) || text.includes('\0')) throw new FillFault(`${what} is not a text`)
  return text
}

type WithLimit = CompiledScriptStep | CompiledSqlStep

const limitIn = ({ timeoutMs, timeoutMaxMs }: WithLimit, fill: Fill): number =>
  typeof timeoutMs === 'number' ? timeoutMs : capLimit(limitOf(fill(timeoutMs), timeoutMs), timeoutMaxMs)

function limitOf(bytes: Buffer, reference: string): number {
  const text = bytes.toString('latin1')
  const ms = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (ms >= 1 && ms <= TIMEOUT_MAX_MS) return ms
  throw new FillFault(
    `the time limit ${reference} is "${text.slice(0, 40)}": it must be a number of ms from 1 to ${TIMEOUT_MAX_MS}`,
  )
}
