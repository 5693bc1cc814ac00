/** The embedded Mongo wire: FerretDB, with its documents in our PostgreSQL. */
import { MongoClient } from 'mongodb'
import type { ChildSpec } from '../supervise/child.js'
import { privateFolder } from './data.js'

export interface MongoOptions {
  program: string
  data: string
  port: number
  /** The database that keeps the documents. */
  postgresUrl: string
}

export function mongoSpec(options: MongoOptions): { spec: ChildSpec; url: string } {
  const url = `mongodb://127.0.0.1:${options.port}/drover`
  const spec: ChildSpec = {
    name: 'mongo',
    command: options.program,
    args: ['--listen', `127.0.0.1:${options.port}`],
    env: { PATH: process.env['PATH'], FERRETDB_POSTGRESQL_URL: options.postgresUrl },
    // It leaves a state file where it runs.
    cwd: privateFolder(options.data, 'mongo'),
    graceMs: 3_000,
    isReady: () => answers(url),
  }
  return { spec, url }
}

async function answers(url: string): Promise<boolean> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 500 })
  try {
    await client.db('drover').command({ hello: 1 })
    return true
  } finally {
    await client.close()
  }
}
