/** Operations on join tokens. */
import type { Operation } from '../operation.js'
import { createJoinToken } from './create-join-token.js'
import { listJoinTokens } from './list-join-tokens.js'
import { revokeJoinToken } from './revoke-join-token.js'

export const joinTokenOperations: readonly Operation[] = [createJoinToken, listJoinTokens, revokeJoinToken]
