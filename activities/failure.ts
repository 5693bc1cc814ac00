/** Errors at Temporal's border: a code becomes the failure's type, and only retryable ones are tried again. */
import { ApplicationFailure } from '@temporalio/common'
import { PlatformError } from '../domain/errors.js'

/** Every activity of `activities`, with its errors translated. */
export function withFailures<T extends object>(activities: T): T {
  const wrapped = Object.entries(activities).map(([name, run]) => [
    name,
    translate(run as (...args: unknown[]) => Promise<unknown>),
  ])
  return Object.fromEntries(wrapped) as T
}

function translate(run: (...args: unknown[]) => Promise<unknown>) {
  return async (...args: unknown[]) => {
    try {
      return await run(...args)
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error
      throw ApplicationFailure.create({
        message: error.message,
        type: error.code,
        nonRetryable: !error.retryable,
        cause: error,
      })
    }
  }
}
