/** Operations on output. */
import type { Operation } from '../operation.js'
import { followOutput } from './follow-output.js'
import { readOutput } from './read-output.js'

export const outputOperations: readonly Operation[] = [readOutput, followOutput]
