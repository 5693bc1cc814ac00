/** The connection to the server that keeps output (MongoDB, or anything that speaks its protocol). */
import { MongoClient } from 'mongodb'
import { OutputLog } from './output.js'

/**
 * Connects lazily: the first operation opens the connection.
 * @param url mongodb://host:port/database
 */
export function connectLog(url: string): { client: MongoClient; log: OutputLog } {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: 5_000,
    // A wire that is dead without a word: the driver would wait for ever.
    connectTimeoutMS: 10_000,
    socketTimeoutMS: 30_000,
    maxPoolSize: 10,
    retryWrites: false,
  })
  // The driver closes for good when its first connect fails; asked again, it starts anew. Later breaks it mends itself.
  return { client, log: new OutputLog(client.db(), () => client.connect()) }
}
