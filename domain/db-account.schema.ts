/** The shape of a database account as a person writes it. */
import { z } from 'zod'
import { dbEngines, sslModes } from './db-account.js'
import { NAME } from './name.js'

// No control characters; not written as \P{Cc}, which readers of the API's document in other languages do not know.
const PLAIN = '[^\\u0000-\\u001f\\u007f-\\u009f]'

/** Nothing that a log, a terminal or a driver would read as more than a name. */
const plainText = (max: number) =>
  z
    .string()
    .max(max)
    .regex(new RegExp(`^${PLAIN}*$`, 'u'), 'must be on one line')

export const databaseField = plainText(64)

export const dbAccountFields = {
  engine: z.enum(dbEngines),
  host: z
    .union([
      z
        .string()
        .regex(
          /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?$|^::1$/,
          'must be a name or an address',
        ),
      z
        .string()
        .max(107)
        .regex(new RegExp(`^/${PLAIN}+$`, 'u'), 'must be the absolute path of a socket'),
    ])
    .default('127.0.0.1')
    .describe(
      'As each target host sees it; 127.0.0.1 is the database on the host itself. Also the absolute path of a socket (PostgreSQL: of its folder).',
    ),
  port: z.int().min(1).max(65_535).optional().describe('5432 for postgresql, 3306 for mysql if left out.'),
  database: databaseField
    .default('')
    .describe("The engine's own choice if left out; a step may name another."),
  user: plainText(128).min(1),
  sslMode: z
    .enum(sslModes)
    .default('prefer')
    .describe('Only verify-full knows who answers; require encrypts without asking.'),
  caFile: z
    .string()
    .max(4096)
    .regex(new RegExp(`^(/${PLAIN}+)?$`, 'u'), 'must be an absolute path')
    .default('')
    .describe('On each host: whose certificates are good, as PEM.'),
  secret: z
    .string()
    .regex(new RegExp(`^${NAME}$`), 'must be the name of a secret')
    .nullable()
    .default(null)
    .describe('Name of the secret that is the password; null for an account without one.'),
}
