/** Ending a process: signals abort one controller, parts drain, and the process exits with an empty event loop. */

export interface Shutdown {
  signal: AbortSignal
  /** Resolves when the process was asked to end. */
  requested: Promise<void>
}

/** Aborts on SIGTERM and SIGINT; the second signal exits at once. */
export function listenForShutdown(): Shutdown {
  const controller = new AbortController()
  const requested = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(new Error(`asked to end by ${name}`))
    })
  }
  return { signal: controller.signal, requested }
}
