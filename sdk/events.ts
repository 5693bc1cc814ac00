/** What the event streams of an execution carry. */

/** One thing that happened to an execution; `seq` resumes after it. */
export interface ExecutionEvent {
  seq: string
  type: 'execution' | 'step' | 'hosts' | 'batch' | 'operation' | 'output' | 'note'
  at: string
  body: Record<string, unknown>
}

interface FollowedHost {
  /** Position of the step, from 0. */
  stepPosition: number
  hostId: string
  hostName: string
  attempt: number
}

/** A piece of output. */
export interface OutputChunk extends FollowedHost {
  type: 'chunk'
  stream: 'stdout' | 'stderr'
  /** Of its first byte in the stream. */
  offset: number
  /** What was written; empty where it is not UTF-8. */
  text: string
  /** What was written where it is not UTF-8, in base64. */
  bytes?: string
}

/** A host's new state; the final one comes after its output. */
export interface HostChange extends FollowedHost {
  type: 'host'
  state: string
  exitCode: number | null
  reason: string | null
  /** Whether all of its output was told before. */
  complete: boolean
}

export type OutputEvent = OutputChunk | HostChange | { type: 'end'; state: string }
