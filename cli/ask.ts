/** Asking the person at the terminal. */
import { createInterface } from 'node:readline/promises'

/** The answer; undefined where there is nobody to ask. */
export async function ask(question: string): Promise<string | undefined> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return undefined
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question)
  } finally {
    lines.close()
  }
}
