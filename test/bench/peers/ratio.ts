/** How many times what Drover takes a peer takes. */
import { atLeast, type Bench } from '../bench'
import type { Peer } from './caller'
import type { Medians } from './measure'

/** A row for each figure that both have. */
export function ratioRows(
  bench: Bench,
  of: { caller: string; theirs: Medians; ours: Medians; peer: Pick<Peer, 'must' | 'aim'> },
): void {
  for (const [what, value] of of.theirs) {
    const own = of.ours.get(what)
    if (own === undefined) continue
    bench.row({
      name: `${of.caller} ÷ Drover: ${what}`,
      unit: '×',
      hosts: 'real',
      n: 1,
      value: value / own,
      ...(of.peer.must === undefined ? {} : { must: atLeast(of.peer.must) }),
      ...(of.peer.aim === undefined ? {} : { aim: of.peer.aim }),
    })
  }
}
