/** The hosts that a stack plays: their names and labels, and how their agents come to join. */
import { randomUUID } from 'node:crypto'

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

/** Access to the API as its administrator. */
export interface Admin {
  url: string
  token: string
}

/**
 * Makes a join token for the hosts of one rack, of one hour.
 * @throws Error with the API's answer if it refuses
 */
export async function createJoinToken(admin: Admin, rack: string, uses: number): Promise<string> {
  const response = await fetch(`${admin.url}/api/v1/scopes/default/join-tokens`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${admin.token}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ labels: { rack, env: 'demo' }, uses, ttlMs: 3_600_000 }),
  })
  const text = await response.text()
  if (response.status !== 201) throw new Error(`the API refused a join token (${response.status}): ${text}`)
  return (JSON.parse(text) as { token: string }).token
}
