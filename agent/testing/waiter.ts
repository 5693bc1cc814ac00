/** Waiting in tests for what events make true, never for time to pass. */
import { EventEmitter } from 'node:events'

export class Waiter extends EventEmitter {
  constructor() {
    super()
    this.setMaxListeners(0)
  }

  /** Waits for an event that makes `done` true; rejects when none does in time. */
  until(event: string, done: () => boolean, timeoutMs = 15_000): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer)
        this.off(event, look)
      }
      const look = () => {
        if (!done()) return
        stop()
        resolve()
      }
      const timer = setTimeout(() => {
        stop()
        reject(new Error(`waited ${timeoutMs} ms for ${event}`))
      }, timeoutMs)
      this.on(event, look)
    })
  }
}
