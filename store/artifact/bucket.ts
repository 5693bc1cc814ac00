/** The bucket that holds artifacts and archives, in MinIO or any S3. */
import { Client } from 'minio'

/**
 * Makes sure that the bucket exists.
 * @param url http://access:secret@host:port/bucket
 */
export async function ensureBucket(url: string): Promise<void> {
  const { client, bucket } = connectBucket(url)
  if (!(await client.bucketExists(bucket))) await client.makeBucket(bucket)
}

function connectBucket(url: string): { client: Client; bucket: string } {
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  const useSSL = protocol === 'https:'
  const client = new Client({
    endPoint: hostname,
    port: Number(port) || (useSSL ? 443 : 80),
    useSSL,
    accessKey: decodeURIComponent(username),
    secretKey: decodeURIComponent(password),
  })
  return { client, bucket: pathname.slice(1) || 'drover' }
}
