/** What a peer can be asked for by each of its faces, and what a fleet of it gives. */
import type { Bench } from '../bench'

/** What is known of a run whose control side was killed. */
export interface Interrupted {
  /** What was killed. */
  killed: string
  /** Hosts whose result the caller was told, without doing anything. */
  told: number
  /** Hosts whose result a person finds who knows where to look. */
  byHand?: number
  /** For people. */
  saw: string
}

export interface Flood {
  /** Of what was printed. */
  bytes: number
  /** What came for it. */
  instead?: string
  /** performance.now when all of it was kept by the control side, where there is such a thing. */
  storedAt?: number
}

/** One face of a peer: a command line, a library, a REST service. */
export interface Caller {
  name: string
  /** `echo hi` on the first so many hosts, to its end. @returns hosts that said hi */
  echo(hosts: number): Promise<number>
  /** A script that prints a lot, on one host, until its output is in the caller's hands. */
  flood?(script: string): Promise<Flood>
  /** A script on one host. @returns ms from the call until the caller sees the text */
  firstSight?(script: string, text: string): Promise<number>
  /** A script on the first so many hosts whose control side is killed after a while. @param word that the script prints at its end */
  interrupted?(run: { hosts: number; script: string; word: string; afterMs: number }): Promise<Interrupted>
  close?(): Promise<void>
}

export interface Fleet {
  callers: Caller[]
  close(): Promise<void>
}

export interface Peer {
  /** As DROVER_BENCH_PEERS names it. */
  id: string
  /** What Drover must be ahead of, at least so many times: peer ÷ Drover. */
  must?: number
  /** The same as an aim. */
  aim?: number
  /** Resolves when so many hosts answer. */
  start(bench: Bench, hosts: number): Promise<Fleet>
}

/** How often a text stands in what was said. */
export function countOf(said: Buffer | string, text: string): number {
  let count = 0
  for (let at = said.indexOf(text); at >= 0; at = said.indexOf(text, at + text.length)) count++
  return count
}
