/** The hosts that a stack plays: their names and labels, and how their agents come to join. */
import type { Drover } from '../../sdk/index.js'

/** A host of the stack; `rack` is the label that its join token carries. */
export interface StackHost {
  name: string
  rack: string
}

/** `rack-a-1` … `rack-a-4`, `rack-b-1` … for eight: two racks of equal size, the first gets an odd one. */
export function stackHosts(count: number): StackHost[] {
  const inFirst = Math.ceil(count / 2)
  return Array.from({ length: count }, (_, index) => {
    const rack = index < inFirst ? 'a' : 'b'
    const number = index < inFirst ? index + 1 : index - inFirst + 1
    return { name: `rack-${rack}-${number}`, rack }
  })
}

/** Makes a join token for the hosts of one rack, of one hour. */
export async function createJoinToken(drover: Drover, rack: string, uses: number): Promise<string> {
  const { token } = await drover.createJoinToken({ labels: { rack, env: 'demo' }, uses, ttlMs: 3_600_000 })
  return token
}
