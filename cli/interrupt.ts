/** Ctrl-C while a run is followed: once leaves it running, twice asks for its cancel. */
import type { Drover } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { Ended } from './fail.js'
import type { Terminal } from './terminal.js'

/** How long a second Ctrl-C is waited for. */
const SECOND_WITHIN_MS = 1_500

export interface Interrupts extends Disposable {
  /** Aborts, with `Ended` as its reason, when the person has left. */
  left: AbortSignal
}

export function listenForInterrupts(terminal: Terminal, drover: Drover, executionId: string): Interrupts {
  const leaving = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let cancelling = false
  const cancel = async () => {
    cancelling = true
    terminal.talk(`asking for the cancel of r-${executionId}; following it to its end`)
    try {
      await drover.operate(executionId, { kind: 'cancel' })
    } catch (error) {
      terminal.talk(`the cancel was not taken: ${(error as Error).message}`)
      cancelling = false
    }
  }
  const onInterrupt = () => {
    if (timer) {
      clearTimeout(timer)
      timer = undefined
      void cancel()
      return
    }
    const again = cancelling ? '' : ' (Ctrl-C again cancels it)'
    terminal.talk(`still running: drover runs watch r-${executionId}${again}`)
    timer = setTimeout(
      () => leaving.abort(new Ended(exitCodes.interrupted)),
      cancelling ? 0 : SECOND_WITHIN_MS,
    )
  }
  process.on('SIGINT', onInterrupt)
  return {
    left: leaving.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      process.off('SIGINT', onInterrupt)
    },
  }
}
