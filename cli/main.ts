/** The command line of Drover: parses, runs one command, and ends with a code that scripts can rely on. */
import { fail } from './fail.js'
import { createProgram } from './program.js'
import { createTerminal } from './terminal.js'

const terminal = createTerminal(process.env)
// A reader that has seen enough (head, less) closes the pipe: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

createProgram(terminal)
  .parseAsync(process.argv)
  .catch((error: unknown) => {
    process.exitCode = fail(terminal, error)
  })
