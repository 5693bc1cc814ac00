/** Configuration from the environment: names in, typed values out, one readable error for all that is wrong. */
import { readFileSync } from 'node:fs'

export class ConfigError extends Error {
  override name = 'ConfigError'
}

type Env = Record<string, string | undefined>

/** Reads `DROVER_*` values and collects every fault, so that a person can mend all of them at once. */
export class EnvReader {
  private readonly faults: string[] = []
  private readonly env: Env

  constructor(env: Env) {
    this.env = env
  }

  text(name: string, fallback?: string): string {
    const value = this.env[name] ?? fallback
    if (value === undefined || value === '') {
      if (fallback === '') return ''
      this.faults.push(`${name} is not set`)
      return ''
    }
    return value
  }

  integer(name: string, fallback: number, range: { min: number; max: number }): number {
    const raw = this.env[name]
    if (raw === undefined || raw === '') return fallback
    const value = Number(raw)
    if (!Number.isInteger(value) || value < range.min || value > range.max) {
      this.faults.push(`${name} must be a whole number from ${range.min} to ${range.max}, not "${raw}"`)
      return fallback
    }
    return value
  }

  flag(name: string, fallback: boolean): boolean {
    const raw = this.env[name]
    if (raw === undefined || raw === '') return fallback
    if (raw !== 'true' && raw !== 'false') this.faults.push(`${name} must be true or false, not "${raw}"`)
    return raw === 'true'
  }

  /** A secret: from `NAME`, or from the file that `NAME_FILE` names. */
  secret(name: string): string {
    const file = this.env[`${name}_FILE`]
    if (!file) return this.text(name)
    try {
      return readFileSync(file, 'utf8').trim()
    } catch (error) {
      this.faults.push(`${name}_FILE: cannot read ${file}: ${(error as Error).message}`)
      return ''
    }
  }

  fault(text: string): void {
    this.faults.push(text)
  }

  /** Throws ConfigError if anything was wrong. */
  finish(): void {
    if (this.faults.length) {
      throw new ConfigError(`configuration: ${this.faults.join('; ')}. See docs/reference/configuration.md.`)
    }
  }
}
