/** The words of the API, as types: generated, under the names that people use. */
import type { components, paths } from './generated/schema.js'
import type { Fetch } from './transport.js'

export type Schemas = components['schemas']
export type Host = Schemas['Host']
export type AgentBundle = Schemas['AgentBundle']
export type Group = Schemas['Group']
export type GroupMember = Schemas['GroupMember']
export type JoinToken = Schemas['JoinToken']
export type Execution = Schemas['Execution']
export type ExecutionDetail = Schemas['ExecutionDetail']
export type Step = Schemas['Step']
export type HostResult = Schemas['HostResult']
export type Operation = Schemas['Operation']
export type Verdict = Schemas['Verdict']
export type RunVariable = Schemas['RunVariable']
export type OutputGroups = Schemas['OutputGroups']
export type OutputGroup = OutputGroups['groups'][number]
/** What is compared of outputs: bytes, or what is left without times, ids and the host's own name. */
export type Grouping = NonNullable<OutputGroup['identical']>
/** What makes a group of hosts: outcome and output, or state and tag alone. */
export type GroupKey = Grouping | 'tag'
export type LaunchPreview = Schemas['LaunchPreview']
export type LaunchAgain = Schemas['LaunchAgain']
export type StepScript = Schemas['StepScript']
export type UndoPreview = Schemas['UndoPreview']
export type ComparedGroup = Schemas['StepComparison']['groups'][number]
export type SearchHits = Schemas['SearchHits']
export type SearchHit = Schemas['SearchHit']
export type SearchCounts = Schemas['SearchCounts']
export type Whoami = Schemas['Whoami']
export type Script = Schemas['Script']
export type ScriptVersion = Schemas['ScriptVersion']
export type ScriptVersionText = Schemas['ScriptVersionText']
export type Secret = Schemas['Secret']
export type SecretVersion = Schemas['SecretVersion']
type Scoped = '/api/v1/scopes/{scope}'
type Body<P extends keyof paths, M extends 'post' | 'put' | 'patch'> = paths[P][M] extends {
  requestBody?: { content: { 'application/json': infer B } }
}
  ? B
  : never
/** A plan or a script, and the hosts to run it on. */
export type Launch = Body<`${Scoped}/executions`, 'post'>
/** What to do to an execution. */
export type OperationRequest = Body<`${Scoped}/executions/{executionId}/operations`, 'post'>
/** Which open executions to cancel, and how many they are. */
export type CancelFilter = Body<`${Scoped}/executions/cancel`, 'post'>
/** Which hosts to change to which version, and how carefully. */
export type UpgradeRequest = Body<`${Scoped}/hosts/upgrade`, 'post'>
export type Job = Schemas['Job']
export type JobSummary = Schemas['JobSummary']
export type Plan = Schemas['Plan']
export type PlanSummary = Schemas['PlanSummary']
export type DbAccount = Schemas['DbAccount']
export type ScriptCitation = Schemas['ScriptCitations']['items'][number]
/** What a job is made of; with `revision`, in place of what is there. */
export type JobContent = Body<`${Scoped}/jobs/{job}`, 'put'>
/** What a plan chooses of its job; with `revision`, in place of what it did. */
export type PlanContent = Body<`${Scoped}/jobs/{job}/plans/{plan}`, 'put'>
/** Where a database account signs in; with `revision`, in place of what is there. */
export type DbAccountContent = Body<`${Scoped}/db-accounts/{dbAccount}`, 'put'>
/** A script and its first version. */
export type NewScript = Body<`${Scoped}/scripts`, 'post'>
/** A text, or the version whose text it gets. */
export type NewScriptVersion = Body<`${Scoped}/scripts/{script}/versions`, 'post'>
/** A secret and its first value. */
export type NewSecret = Body<`${Scoped}/secrets`, 'post'>
export type NewJoinToken = Body<`${Scoped}/join-tokens`, 'post'>
export type ExecutionState = Execution['state']
export type HostState = HostResult['state']

export interface DroverOptions {
  /** http://127.0.0.1:8080 */
  url: string
  /** drt_… */
  token: string
  /** `default` if left out. */
  scope?: string | undefined
  /** Instead of the global fetch. */
  fetch?: Fetch | undefined
  /** How often a call is repeated while the server is away, with the same Idempotency-Key; 4 if left out. */
  retries?: number | undefined
}

/** Given to mutations whose key must outlive this process; a new one is made otherwise. */
export interface WriteOptions {
  idempotencyKey?: string | undefined
}

/** Where some output stands. */
export interface OutputPlace {
  executionId: string
  /** Position of the step, from 0. */
  step: number
  hostId: string
  stream: 'stdout' | 'stderr'
  /** The latest if left out. */
  attempt?: number | undefined
}

export interface OutputPart {
  bytes: Uint8Array
  /** Bytes of the whole stream that are kept so far. */
  total: number
  /** Whether no more will come. */
  complete: boolean
  /** Whether the cap cut it. */
  truncated: boolean
}
