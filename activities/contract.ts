/** What a workflow may ask for: signatures only, free of Node and of every client, so that the bundle stays pure. */
import type { ExecutionState } from '../domain/execution.js'
import type { HostCounts } from '../domain/host-result.js'
import type { ShardOutcome } from '../domain/fleet.js'
import type { OnFailure, StepState } from '../domain/step-execution.js'
import type { StepType } from '../domain/step/step.js'
import type { ShardRef } from '../domain/shard.js'

/** An execution, and who asks: the ledger answers only the workflow that it names, in the chain of runs that claimed it. */
export interface ExecutionRef {
  scopeId: string
  executionId: string
  workflowId: string
  /** First Temporal run of the chain. */
  firstRunId: string
}

/** What operators have asked of the execution, as its row says. */
export interface Standing {
  paused: boolean
  cancelRequested: boolean
  /** Grows with each change of the execution: of two answers the one with the higher number is the newer. */
  seq: number
}

export interface StepRef extends ExecutionRef {
  stepExecutionId: string
}

/** One step, as the workflow needs it. */
export interface ClaimedStep {
  stepExecutionId: string
  /** Left out in histories of before there were others: a script. */
  type?: StepType
  name: string
  state: StepState
  hosts: number
  /** 0: none but the order's expiry. */
  timeoutMs: number
  graceMs: number
  onFailure: OnFailure
}

export type Claim =
  | { claimed: false; why: string; isTooNew?: true }
  | {
      claimed: true
      name: string
      actor: string
      hosts: number
      steps: ClaimedStep[]
      standing: Standing
      /** Left out in histories of before it was told with the claim. */
      next?: Next | undefined
      /** Events after which the workflow continues as a new one; 0 or left out: when Temporal advises it. */
      historyMaxEvents?: number
    }

/** Where a step's hosts stand, and the shards that were made for those that are ready. */
export interface Resolution {
  shards: ShardRef[]
  /** Hosts without a session that are still waited for. */
  missing: number
  /** Hosts that wait for the step's concurrency limit. */
  held: number
  /** Hosts that failed and wait for the next attempt that they get by themselves. Left out: none. */
  retrying?: number
  /** Of a step that waits: how long still, ms. */
  wakeInMs?: number
  /** Whether hosts that fail get another attempt by themselves: then somebody must watch for it. */
  watch?: true
  counts: HostCounts
  /** The step's, after it; a final one was skipped or ended meanwhile, and nothing was done. */
  state: StepState
  standing: Standing
}

/** What comes next by the rows, decided in the transaction that made way for it. */
export type Next =
  | {
      do: 'run'
      stepExecutionId: string
      resolution: Resolution
      /** Of all steps, where some were ended on the way because their condition was not met. */
      steps?: StepState[]
    }
  | { do: 'end'; state: ExecutionState }

export interface ControlActivities {
  /**
   * Takes the execution for this chain of runs: the ledger decides that it starts once.
   * @param input look: as for resolveShards, at the step that comes next
   */
  claimExecution(input: ExecutionRef & { look: number }): Promise<Claim>
  /**
   * Closes every shard of the step but the active ones, ends hosts that can have no other end, and makes signed shards of
   * those that are ready. A shard whose making was not heard of is closed like a finished one.
   * @param input look: grows with each look of the workflow's at this step; one that comes late or again changes nothing
   */
  resolveShards(input: StepRef & { look: number; activeShards: string[] }): Promise<Resolution>
  /**
   * Returns when a host that was missing has come back or is given up, when the next attempt of one is due, or when the
   * execution is cancelled or held.
   * @param input held: hosts were held back by the step's limit; that they could be sent an order is no news then
   */
  awaitHosts(input: StepRef & { held?: boolean }): Promise<void>
  /**
   * Gives the step its verdict from its hosts' results; no verdict while a host has no end.
   * @param input goOn: with the verdict, also takes the look at the next step, or ends the execution
   */
  closeStep(input: StepRef & { look: number; onFailure: OnFailure; goOn: boolean }): Promise<Closing>
  /** Ends the execution if its rows say that nothing is left to do. */
  endExecution(input: ExecutionRef): Promise<Ending>
  /** A cancel that came through the engine's own UI or client rather than through an operation. */
  cancelFromEngine(input: ExecutionRef): Promise<Standing>
  /** Applies an operation to the rows and decides it; the same answer again if it was decided before. */
  applyOperation(input: ExecutionRef & { operationId: string }): Promise<OperationOutcome>
}

export interface Closing {
  state: StepState
  /** Hosts without an end. */
  open: number
  counts: HostCounts
  standing: Standing
  next?: Next | undefined
}

/** `ended: false`: an operation has given it more to do meanwhile. */
export type Ending =
  | { ended: true; state: ExecutionState }
  | { ended: false; steps: StepState[]; standing: Standing }

export interface OperationOutcome {
  /** `ended`: nothing was decided, for the execution has ended; whoever asked must continue it instead. */
  state: 'accepted' | 'refused' | 'ended'
  reason?: string | undefined
  /** The steps' states after it. */
  steps: StepState[]
  standing: Standing
}

export interface GatewayActivities {
  /** Carries one shard through on the gateway whose queue it is on. */
  runShard(input: { shardId: string }): Promise<ShardOutcome>
}
