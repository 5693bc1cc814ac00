/** Operations on the platform itself. */
import type { Operation } from '../operation.js'
import { getOpenapi } from './get-openapi.js'
import { whoami } from './whoami.js'

export const platformOperations: readonly Operation[] = [whoami, getOpenapi]
