/** Host groups, as the API shows them. */
import { z } from 'zod'
import { idField, nameField, timeField } from '../fields.js'

export const groupSchema = z
  .object({ name: z.string(), hosts: z.int().describe('How many members.'), createdAt: timeField })
  .meta({ id: 'Group' })

export const memberSchema = z.object({ id: idField, name: z.string() }).meta({ id: 'GroupMember' })

/** The rule of targets (`group:g`): a group whose name cannot be written there would be of no use. */
export const groupParams = z.object({ group: nameField })
