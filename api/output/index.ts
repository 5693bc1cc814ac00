/** Operations on output. */
import type { Operation } from '../operation.js'
import { readOutput } from './read-output.js'

export const outputOperations: readonly Operation[] = [readOutput]
