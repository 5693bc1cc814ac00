/** Operations that search output. */
import type { Operation } from '../operation.js'
import { countMatches } from './count-matches.js'
import { searchOutput } from './search-output.js'

export const searchOperations: readonly Operation[] = [searchOutput, countMatches]
