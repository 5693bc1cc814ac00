/** The signer: the only part that can make an order which agents obey. */
import { createPrivateKey } from 'node:crypto'
import { OUTPUT_CAP_BYTES } from '../domain/script.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../domain/id.js'
import {
  DispatchOrder,
  dispatchId,
  type ScriptTask,
  type SignedOrder,
  sha256,
  signOrder,
  signUpgrade,
  StopOrder,
  TaskSpec,
  UpgradeOrder,
  type Variable,
  VariableType,
} from '../proto/index.js'
import type { PrivateKey } from '../store/postgres/platform-keys.js'
import type { StoredValue } from '../store/postgres/variables.js'
import type { FilledScriptStep, FilledSqlStep, FilledStep } from './fill-step.js'
import type { Input } from './step-inputs.js'

export interface OrderFacts {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  attempt: number
  hostId: HostId
  journalId: string
  /** The database's time, under the execution's lock: an agent obeys a stop only if it was issued after the order. */
  issuedAt: Date
  expiresAt: Date
  outputDay: string
  /** Values of this host alone. */
  variables: readonly StoredValue[]
  /** Of what is sealed to the host for it; left out where there is nothing. */
  secretsSha256?: Buffer | undefined
}

/** What one host's agent may be changed to. */
export interface UpgradeFacts {
  id: string
  scopeId: ScopeId
  hostId: HostId
  version: string
  sha256: Buffer
  bytes: number
  platform: string
  issuedAt: Date
  expiresAt: Date
  probationMs: number
}

export interface Signer {
  keyId: string
  /** The order for one host to carry out `spec` (an encoded TaskSpec). */
  signDispatch(facts: OrderFacts, spec: Buffer): SignedOrder
  /** The order to stop what was ordered for an execution up to now. */
  signStop(facts: { scopeId: ScopeId; executionId: ExecutionId; issuedAt: Date; reason: string }): SignedOrder
  /** The order for one agent to change to another version. */
  signUpgrade(facts: UpgradeFacts): SignedOrder
}

export function createSigner(signingKey: PrivateKey): Signer {
  const key = { keyId: signingKey.id, privateKey: createPrivateKey(signingKey.privatePart) }
  return {
    keyId: key.keyId,
    signDispatch(facts, spec) {
      const order = DispatchOrder.encode({
        dispatchId: dispatchId(facts.stepExecutionId, facts.attempt, facts.hostId),
        scopeId: BigInt(facts.scopeId),
        executionId: BigInt(facts.executionId),
        stepExecutionId: BigInt(facts.stepExecutionId),
        attempt: facts.attempt,
        hostId: BigInt(facts.hostId),
        journalId: facts.journalId,
        specSha256: sha256(spec),
        issuedAtMs: BigInt(facts.issuedAt.getTime()),
        expiresAtMs: BigInt(facts.expiresAt.getTime()),
        outputDay: facts.outputDay,
        variables: facts.variables.map(({ name, items }) => toVariable({ name, items, ...ofHost })),
        secretsSha256: facts.secretsSha256 ?? Buffer.alloc(0),
      }).finish()
      return signOrder(Buffer.from(order), key)
    },
    signStop(facts) {
      const order = StopOrder.encode({
        scopeId: BigInt(facts.scopeId),
        executionId: BigInt(facts.executionId),
        issuedAtMs: BigInt(facts.issuedAt.getTime()),
        reason: facts.reason,
      }).finish()
      return signOrder(Buffer.from(order), key)
    },
    signUpgrade(facts) {
      const order = UpgradeOrder.encode({
        scopeId: BigInt(facts.scopeId),
        hostId: BigInt(facts.hostId),
        upgradeId: BigInt(facts.id),
        version: facts.version,
        bundleSha256: facts.sha256,
        bundleBytes: facts.bytes,
        platform: facts.platform,
        issuedAtMs: BigInt(facts.issuedAt.getTime()),
        expiresAtMs: BigInt(facts.expiresAt.getTime()),
        probationMs: facts.probationMs,
      }).finish()
      return signUpgrade(Buffer.from(order), key)
    },
  }
}

/** The bytes of what a step asks of a host: the same for every host of the step. */
export function encodeSpec(step: FilledStep, inputs: readonly Input[]): Buffer {
  const value: ScriptTask = {
    ...ownFields(step, inputs),
    language: step.language,
    scriptSha256: Buffer.from(step.scriptSha256, 'hex'),
    scriptBytes: step.scriptBytes,
    account: step.account,
    timeoutMs: BigInt(step.timeoutMs),
    graceMs: step.graceMs,
    outputCapBytes: BigInt(OUTPUT_CAP_BYTES),
    secrets: Object.keys(step.secrets ?? {}),
  }
  return Buffer.from(TaskSpec.encode({ task: { $case: caseOf(step, value), value } }).finish())
}

/** An agent that would leave out in silence what it does not know must not know the kind of the task either. */
function caseOf(step: FilledStep, { variables, secrets }: ScriptTask) {
  if (step.type === 'reboot') return 'reboot'
  return variables.length || secrets.length ? 'scriptWithMore' : 'script'
}

type OwnFields = Pick<
  ScriptTask,
  'arguments' | 'environment' | 'workingDirectory' | 'login' | 'sql' | 'variables' | 'keepUncaptured'
>

const none = {
  arguments: [],
  environment: {},
  workingDirectory: '',
  login: false,
  variables: [],
  keepUncaptured: false,
}

function ownFields(step: FilledStep, inputs: readonly Input[]): OwnFields {
  if (step.type === 'sql') return sqlFields(step)
  return step.type === 'reboot' ? { ...none, sql: undefined } : scriptFields(step, inputs)
}

function scriptFields(step: FilledScriptStep, inputs: readonly Input[]): OwnFields {
  const environment = Object.fromEntries(
    Object.entries(step.environment).map(([name, value]) => [name, Buffer.from(value)]),
  )
  return {
    arguments: step.arguments,
    environment,
    workingDirectory: step.workingDirectory,
    login: step.login,
    sql: undefined,
    variables: inputs.map(toVariable),
    keepUncaptured: step.onUncaptured === 'keep',
  }
}

function sqlFields({ db, format, onError, transaction }: FilledSqlStep): OwnFields {
  const { engine, host, port, database, user, sslMode, caFile } = db
  const sql = { engine, host, port, database, user, sslMode, caFile, format, onError, transaction }
  return { ...none, sql }
}

const types = {
  string: VariableType.VARIABLE_TYPE_STRING,
  perHost: VariableType.VARIABLE_TYPE_STRING,
  list: VariableType.VARIABLE_TYPE_LIST,
  map: VariableType.VARIABLE_TYPE_MAP,
}

const ofHost = { type: 'perHost', changeable: true } as const

const toVariable = ({ name, type, items, changeable }: Input): Variable => ({
  name,
  type: types[type],
  items: [...items],
  changeable,
})
