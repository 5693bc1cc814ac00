/** The record of the last upgrade: what was ordered, how far it got, and whether the server knows. */
import { join } from 'node:path'
import { readJson, writeFileAtomic } from '../files.js'

export interface UpgradeRecord {
  version: 1
  /** Of the order; decimal. */
  id: string
  to: string
  /** Hex. */
  sha256: string
  issuedAtMs: number
  state: 'downloading' | 'probation' | 'done' | 'rolled_back' | 'refused'
  reason: string
  detail: string
  /** Whether the server has the final state. */
  settled: boolean
}

const fileOf = (folder: string) => join(folder, 'upgrade.json')

export function readRecord(folder: string): Promise<UpgradeRecord | undefined> {
  return readJson<UpgradeRecord>(fileOf(folder))
}

export function writeRecord(folder: string, record: UpgradeRecord): Promise<void> {
  return writeFileAtomic(fileOf(folder), JSON.stringify(record), { durable: true })
}
