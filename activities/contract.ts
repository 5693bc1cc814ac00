/** What a workflow may ask for: signatures only, free of Node and of every client, so that the bundle stays pure. */
import type { ExecutionState } from '../domain/execution.js'
import type { HostCounts } from '../domain/host-result.js'
import type { ShardOutcome } from '../domain/fleet.js'
import type { StepState } from '../domain/step-execution.js'
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
}

/** A step, and who asks. */
export interface StepRef extends ExecutionRef {
  stepExecutionId: string
}

/** One step, as the workflow needs it. */
export interface ClaimedStep {
  stepExecutionId: string
  name: string
  state: StepState
  hosts: number
  /** Position of the step that it takes back; left out: none. */
  undoes?: number
}

export type Claim =
  | { claimed: false; why: string; isTooNew?: true }
  | {
      claimed: true
      actor: string
      hosts: number
      steps: ClaimedStep[]
      advance: Advance
      /** Events after which the workflow continues as a new one; 0 or left out: when Temporal advises it. */
      historyMaxEvents?: number
    }

/** What the workflow knows when it asks, and is told back: what it asks next follows from answers, not from when events came. */
export interface Known {
  /** Shards that are under way. */
  shards: string[]
  /** How many waits for hosts, and how many timers, have ended. */
  waits: number
  wakes: number
  /** Whether the engine was asked to cancel the workflow. */
  engineCancelled: boolean
  /** Whether the history has become so long that a new one must go on. */
  leave: boolean
}

/** A look at a step's hosts: the shards that were made for those that are ready, and what is still waited for. */
export interface Look {
  shards: ShardRef[]
  /** Hosts that are still waited for: they have no session, or are to stop something of the run first. */
  missing: number
  /** Hosts that wait for the step's concurrency limit. */
  held: number
  /** Hosts that failed and wait for the next attempt that they get by themselves. Left out: none. */
  retrying?: number
  /** Of a step that waits: until when, and how long that is, ms. */
  wake?: { at: string; inMs: number }
  /** Whether somebody must watch while shards go on: hosts that fail get another attempt by themselves, or hosts wait for a place. */
  watch?: true
}

/** What was decided of an operation. `ended`: nothing, for the execution has ended; whoever asked must continue it instead. */
export interface OperationOutcome {
  operationId: string
  state: 'accepted' | 'refused' | 'ended'
  reason?: string
}

/** Where the run stands by its rows, and what its workflow is to do. */
export interface Advance {
  known: Known
  /** The run has ended so. */
  ended?: ExecutionState
  standing: Standing
  /** Of all steps, in their order. */
  states: StepState[]
  /** Hosts by state, of the steps that were looked at, by position. */
  counts: Record<number, HostCounts>
  outcomes: OperationOutcome[]
  /** The look at the step whose turn it is. */
  step?: Look & { position: number; stepExecutionId: string }
  /** More steps than one answer goes past were ended: ask again. */
  again?: true
}

/** What is asked with: what the workflow knows, and what it wants decided. */
export interface Asking extends ExecutionRef, Known {
  /** Grows with each question of the workflow's; one that comes late or again changes nothing. */
  look: number
  /** Operations that wait for their decision. */
  operations: string[]
}

export interface ControlActivities {
  /** Takes the execution for this chain of runs, and advances it: the ledger decides that it starts once. */
  claimExecution(input: ExecutionRef & { look: number }): Promise<Claim>
  /**
   * Decides operations, gives steps that have nothing left their verdict, takes the look at the step whose turn it is, or ends
   * the run: whatever the rows say. Closes every shard but those that are under way. Repeatable: what a lost answer made is told again.
   */
  advance(input: Asking): Promise<Advance>
  /**
   * Returns when a host that was missing has come back or is given up, when the next attempt of one is due, when a place is free
   * for one that was held back, or when the execution is cancelled or held.
   * @param input held: hosts were held back by the step's limit; that they could be sent an order is no news then
   */
  awaitHosts(input: StepRef & { held?: boolean }): Promise<void>
}

export interface GatewayActivities {
  /** Carries one shard through on the gateway whose queue it is on. @param input afterMs: how long it waits before it begins */
  runShard(input: { shardId: string; afterMs?: number }): Promise<ShardOutcome>
}
