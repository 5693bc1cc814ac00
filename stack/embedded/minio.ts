/** Embedded MinIO, for artifacts. The first result does not need it, so it may start after everything else. */
import { Client } from 'minio'
import type { ChildSpec } from '../supervise/child.js'
import { privateFolder, type Secrets } from './data.js'

const bucket = 'drover'

export interface MinioOptions {
  program: string
  data: string
  port: number
  consolePort: number
  secrets: Secrets
}

/** `url` names the keys and the bucket: `http://key:secret@127.0.0.1:port/drover`. */
export function minioSpec(options: MinioOptions): { spec: ChildSpec; url: string } {
  const { port, secrets } = options
  const folder = privateFolder(options.data, 'minio')
  const spec: ChildSpec = {
    name: 'minio',
    command: options.program,
    args: [
      'server',
      '--quiet',
      `--address=127.0.0.1:${port}`,
      `--console-address=127.0.0.1:${options.consolePort}`,
      folder,
    ],
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      MINIO_ROOT_USER: secrets.s3AccessKey,
      MINIO_ROOT_PASSWORD: secrets.s3SecretKey,
      MINIO_BROWSER: 'off',
      // No call home: traffic stays on loopback.
      MINIO_UPDATE: 'off',
    },
    cwd: folder,
    graceMs: 3_000,
    isReady: async () => (await fetch(`http://127.0.0.1:${port}/minio/health/ready`)).ok,
  }
  return { spec, url: `http://${secrets.s3AccessKey}:${secrets.s3SecretKey}@127.0.0.1:${port}/${bucket}` }
}

/** Creates the bucket that the URL names, if it is missing. */
export async function createBucket(url: string): Promise<void> {
  const at = new URL(url)
  const secure = at.protocol === 'https:'
  const client = new Client({
    endPoint: at.hostname,
    port: Number(at.port || (secure ? 443 : 80)),
    useSSL: secure,
    accessKey: decodeURIComponent(at.username),
    secretKey: decodeURIComponent(at.password),
  })
  const name = at.pathname.slice(1)
  if (!(await client.bucketExists(name))) await client.makeBucket(name)
}
