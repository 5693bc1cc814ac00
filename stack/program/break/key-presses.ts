/** Single keys of the terminal; Ctrl-C stays what it is. */

/** @returns what gives the terminal back; undefined where there is none */
export function listenForKeys(onKey: (key: string) => void): (() => void) | undefined {
  const { stdin } = process
  if (!stdin.isTTY || !process.stdout.isTTY) return undefined
  const onData = (bytes: Buffer) => {
    for (const key of bytes.toString('latin1')) {
      // Raw mode takes the interrupt away from the terminal.
      if (key === '\x03') process.kill(process.pid, 'SIGINT')
      else onKey(key.toLowerCase())
    }
  }
  stdin.setRawMode(true)
  stdin.on('data', onData)
  stdin.resume()
  return () => {
    stdin.off('data', onData)
    stdin.setRawMode(false)
    stdin.pause()
  }
}
