/** What this host says of itself at the hello; the server calls it facts and trusts none of it. */
import { readFileSync } from 'node:fs'
import { arch, hostname, platform, release, totalmem, cpus } from 'node:os'
import { usableLanguages } from './capability/language.js'
import type { PolicyState } from './policy.js'
import { findProgram, STANDARD_PATH } from './process/account.js'

export function readFacts(config: { searchPath: string }, policy: PolicyState): Record<string, string> {
  const release_ = readOsRelease()
  return {
    os: platform(),
    arch: arch(),
    kernel: release(),
    hostname: hostname(),
    distribution: release_['ID'] ?? '',
    distribution_version: release_['VERSION_ID'] ?? '',
    cpus: String(cpus().length),
    memory_bytes: String(totalmem()),
    languages: usableLanguages((name) => findProgram(name, `${STANDARD_PATH}:${config.searchPath}`)).join(
      ',',
    ),
    policy: policy.readable ? JSON.stringify(policy.policy) : JSON.stringify({ unreadable: policy.problem }),
  }
}

/** Machine id, empty where there is none. */
export function readMachineId(): string {
  return readOrEmpty('/etc/machine-id').trim()
}

function readOsRelease(): Record<string, string> {
  const entries = readOrEmpty('/etc/os-release')
    .split('\n')
    .map((line) => /^([A-Z_]+)="?([^"]*)"?$/.exec(line))
  return Object.fromEntries(entries.flatMap((found) => (found ? [[found[1], found[2]]] : [])))
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
