/** Operations on recoveries: what is done when the database was put back. */
import type { Operation } from '../operation.js'
import { listRecoveries } from './list-recoveries.js'
import { resumeRecovered } from './resume-recovered.js'

export const recoveryOperations: readonly Operation[] = [listRecoveries, resumeRecovered]
