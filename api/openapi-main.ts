/** Prints the OpenAPI document; needs nothing that runs. */
import { openApiDocument } from './openapi.js'
import { operations } from './routes.js'
import { version } from './version.js'

process.stdout.write(`${JSON.stringify(openApiDocument(operations, version()), null, 2)}\n`)
