/** A cancel pressed in the engine's own UI: taken as an operator's cancel, so that scripts are stopped and hosts get an end. */
import { requestCancel } from '../store/postgres/operate.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { lockOwned, readStanding } from './owner.js'

export function createCancelFromEngine({ pool }: ControlDependencies): ControlActivities['cancelFromEngine'] {
  return (input) =>
    transaction(pool, async (tx) => {
      const { key } = await lockOwned(tx, input)
      await requestCancel(tx, key)
      return readStanding(tx, key)
    })
}
