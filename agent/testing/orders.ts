/** Orders for the tests: good ones, signed, with whatever a test wants to be different laid over them. */
import { createHash, type KeyObject } from 'node:crypto'
import { createSender, encrypt, pointId, pointOf } from '../../base/sealed-box.js'
import {
  type CancelTask,
  type Dispatch,
  DispatchOrder,
  dispatchId,
  type ScriptTask,
  sealSecrets,
  sha256,
  signOrder,
  StopOrder,
  TaskSpec,
} from '../../proto/index.js'

/** Who orders, and whom. */
export interface Orderer {
  hostId: string
  journalId: string
  signingKeyId: string
  signingKey: KeyObject
  blobs: Map<string, Buffer>
  now(): number
}

export type ScriptInput = Partial<Omit<ScriptTask, 'secrets'>> & {
  text: string | Buffer
  /** Values by names, and the keys (PEM, of a certificate or a key) that they are sealed for. */
  secrets?: { values: Record<string, string | Buffer>; keys: string[] }
  /** What the task says that it is given; the names of the values if left out. */
  secretNames?: string[]
}

let nextStep = 1

/** A signed dispatch and its id in hex. */
export function makeDispatch(
  by: Orderer,
  task: ScriptInput,
  change: Partial<DispatchOrder> = {},
): Dispatch & { id: string } {
  const content = Buffer.from(task.text)
  const { text: _text, secrets, secretNames, ...rest } = task
  const script: ScriptTask = {
    language: 'sh',
    scriptSha256: sha256(content),
    scriptBytes: content.length,
    arguments: [],
    environment: {},
    workingDirectory: '/',
    account: '',
    login: false,
    timeoutMs: 0n,
    graceMs: 2_000,
    outputCapBytes: 0n,
    variables: [],
    keepUncaptured: false,
    sql: undefined,
    secrets: secretNames ?? Object.keys(secrets?.values ?? {}),
    ...rest,
  }
  const $case = script.variables.length || secrets ? 'scriptWithMore' : 'script'
  const spec = Buffer.from(TaskSpec.encode({ task: { $case, value: script } }).finish())
  const step = nextStep++
  const sealed = seal(dispatchId(String(step), 1, by.hostId), secrets)
  const order: DispatchOrder = {
    dispatchId: dispatchId(String(step), 1, by.hostId),
    scopeId: 1n,
    executionId: BigInt(1_000 + step),
    stepExecutionId: BigInt(step),
    attempt: 1,
    hostId: BigInt(by.hostId),
    journalId: by.journalId,
    specSha256: sha256(spec),
    issuedAtMs: BigInt(by.now()),
    expiresAtMs: BigInt(by.now() + 3_600_000),
    outputDay: '20261121',
    variables: [],
    secretsSha256: sealed.length ? sha256(sealed) : sealed,
    ...change,
  }
  const signed = signOrder(encodeOrder(order), { keyId: by.signingKeyId, privateKey: by.signingKey })
  const inline = content.length <= 65_536 ? content : Buffer.alloc(0)
  if (inline.length === 0) by.blobs.set(createHash('sha256').update(content).digest('hex'), content)
  return { ...signed, spec, content: inline, secrets: sealed, id: order.dispatchId.toString('hex') }
}

function seal(id: Buffer, secrets: ScriptInput['secrets']): Buffer {
  if (!secrets) return Buffer.alloc(0)
  const { close } = createSender()
  const recipients = secrets.keys.map(pointOf).map((point) => ({
    keyId: pointId(point),
    close: (context: string, plain: Buffer) => close(point, context, plain),
  }))
  const values = new Map(Object.entries(secrets.values).map(([name, value]) => [name, Buffer.from(value)]))
  return sealSecrets({ dispatchId: id, recipients, values }, encrypt)
}

/** A signed cancel for what a dispatch ordered. */
export function makeCancel(by: Orderer, dispatch: Dispatch, change: Partial<StopOrder> = {}): CancelTask {
  const order = DispatchOrder.decode(dispatch.order)
  const stop: StopOrder = {
    scopeId: order.scopeId,
    executionId: order.executionId,
    issuedAtMs: order.issuedAtMs + 1n,
    reason: 'the_test_asked',
    ...change,
  }
  const bytes = Buffer.from(StopOrder.encode(stop).finish())
  const signed = signOrder(bytes, { keyId: by.signingKeyId, privateKey: by.signingKey })
  return { ...signed, dispatchId: order.dispatchId, expiresAtMs: order.expiresAtMs }
}

/** The same order with something changed, so that its signature does not fit any more. */
export function changeOrder(order: Buffer, change: Partial<DispatchOrder>): Buffer {
  return encodeOrder({ ...DispatchOrder.decode(order), ...change })
}

function encodeOrder(order: DispatchOrder): Buffer {
  return Buffer.from(DispatchOrder.encode(order).finish())
}
