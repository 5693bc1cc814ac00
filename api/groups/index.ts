/** Operations on host groups. */
import type { Operation } from '../operation.js'
import { deleteGroup } from './delete-group.js'
import { getGroup } from './get-group.js'
import { listGroups } from './list-groups.js'
import { putGroup } from './put-group.js'

export const groupOperations: readonly Operation[] = [listGroups, getGroup, putGroup, deleteGroup]
