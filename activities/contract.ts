/** What a workflow may ask for: signatures only, free of Node and of every client, so that the bundle stays pure. */
import type { ExecutionState } from '../domain/execution.js'
import type { HostCounts } from '../domain/host-result.js'
import type { ShardOutcome } from '../domain/fleet.js'
import type { OnFailure, StepState } from '../domain/step-execution.js'
import type { ShardRef } from '../domain/shard.js'

export interface ExecutionRef {
  scopeId: string
  executionId: string
}

export interface StepRef extends ExecutionRef {
  stepExecutionId: string
}

/** One step, as the workflow needs it. */
export interface ClaimedStep {
  stepExecutionId: string
  name: string
  state: StepState
  hosts: number
  /** 0: none but the order's expiry. */
  timeoutMs: number
  graceMs: number
  onFailure: OnFailure
}

export type Claim =
  | { claimed: false; why: string }
  | {
      claimed: true
      name: string
      plan: string
      actor: string
      hosts: number
      steps: ClaimedStep[]
      paused: boolean
      cancelRequested: boolean
    }

/** Where a step's hosts stand, and the shards that were made for those that are ready. */
export interface Resolution {
  shards: ShardRef[]
  /** Hosts without a session that are still waited for. */
  missing: number
  /** Hosts that wait for the step's concurrency limit. */
  held: number
  counts: HostCounts
}

export interface ControlActivities {
  /** Takes the execution for this chain of runs: the ledger decides that it starts once. */
  claimExecution(input: ExecutionRef & { firstRunId: string }): Promise<Claim>
  /**
   * Closes every shard of the step but the active ones, ends hosts that can have no other end, and makes signed shards of
   * those that are ready. A shard whose making was not heard of is closed like a finished one.
   */
  resolveShards(input: StepRef & { activeShards: string[] }): Promise<Resolution>
  /** Returns when a host that was missing has come back or is given up, or when the execution is cancelled or held. */
  awaitHosts(input: StepRef): Promise<void>
  /** Gives the step its verdict from its hosts' results; no verdict while a host has no end. */
  closeStep(
    input: StepRef & { onFailure: OnFailure },
  ): Promise<{ state: StepState; open: number; counts: HostCounts }>
  endExecution(
    input: ExecutionRef & { state: Extract<ExecutionState, 'succeeded' | 'failed' | 'cancelled'> },
  ): Promise<void>
  /** A cancel that came through the engine's own UI or client rather than through an operation. */
  cancelFromEngine(input: ExecutionRef): Promise<void>
  /** Applies an operation to the rows and decides it; the same answer again if it was decided before. */
  applyOperation(input: ExecutionRef & { operationId: string }): Promise<OperationOutcome>
}

export interface OperationOutcome {
  /** `ended`: nothing was decided, for the execution has ended; whoever asked must continue it instead. */
  state: 'accepted' | 'refused' | 'ended'
  reason?: string | undefined
  /** The steps' states after it. */
  steps: StepState[]
}

export interface GatewayActivities {
  /** Carries one shard through on the gateway whose queue it is on. */
  runShard(input: { shardId: string }): Promise<ShardOutcome>
}
