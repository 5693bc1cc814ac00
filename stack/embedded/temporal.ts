/** Embedded Temporal: the CLI's server on a file database, with the settings that we measured. */
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import type { ChildSpec } from '../supervise/child.js'
import { privateFolder } from './data.js'

/** What an operator can search runs by in Temporal's web UI; created with the namespace. */
const searchAttributes = {
  DroverScope: 'Keyword',
  DroverPlan: 'Keyword',
  DroverState: 'Keyword',
  DroverActor: 'Keyword',
  DroverTrigger: 'Keyword',
  DroverAttention: 'Bool',
}

/** At the default of 20 a one-activity workflow takes 150 ms, so 10–35 ms. What the UI lists can wait for its 50 ms. */
const pollRates = ['transferProcessor', 'timerProcessor']

const dynamicConfig = [
  ...pollRates.map((name) => `history.${name}MaxPollRPS=2000`),
  // Gateways' queues have one poller each: more partitions only add hops.
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
]

export interface TemporalOptions {
  program: string
  data: string
  port: number
  uiPort: number
  httpPort: number
  metricsPort: number
}

export function temporalSpec(options: TemporalOptions): { spec: ChildSpec; address: string; ui: string } {
  const folder = privateFolder(options.data, 'temporal')
  const address = `127.0.0.1:${options.port}`
  const spec: ChildSpec = {
    name: 'temporal',
    command: options.program,
    args: [
      'server',
      'start-dev',
      '--log-level=warn',
      `--db-filename=${join(folder, 'temporal.db')}`,
      // Survives a kill of the process (not a power cut), at four times the rate.
      '--sqlite-pragma=journal_mode=wal',
      '--sqlite-pragma=synchronous=off',
      '--ip=127.0.0.1',
      `--port=${options.port}`,
      '--ui-ip=127.0.0.1',
      `--ui-port=${options.uiPort}`,
      `--http-port=${options.httpPort}`,
      `--metrics-port=${options.metricsPort}`,
      ...dynamicConfig.map((entry) => `--dynamic-config-value=${entry}`),
      ...Object.entries(searchAttributes).map(([name, type]) => `--search-attribute=${name}=${type}`),
    ],
    // A home of its own: the CLI reads and writes its configuration there. Collecting at five times what is alive and not
    // at twice takes a tenth less of its processor time. Above the limit, which is a soft one, it collects more often again.
    env: { PATH: process.env['PATH'], HOME: folder, GOGC: '400', GOMEMLIMIT: '600MiB' },
    cwd: folder,
    graceMs: 5_000,
    isReady: () => answers(address),
  }
  return { spec, address, ui: `http://127.0.0.1:${options.uiPort}` }
}

/** A field 1 of type string: all that the two requests below consist of. */
function textField(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x0a, text.length]), Buffer.from(text)])
}

function call(client: Client, path: string, request: Buffer): Promise<Buffer> {
  const same = (bytes: Buffer) => bytes
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 2_000
    client.makeUnaryRequest(path, same, same, request, { deadline }, (error, reply) =>
      error || !reply ? reject(error ?? new Error('empty reply')) : resolve(reply),
    )
  })
}

/** The frontend serves, and so does the namespace. By hand, because loading Temporal's client takes half a second. */
async function answers(address: string): Promise<boolean> {
  const client = new Client(address, credentials.createInsecure())
  try {
    const health = await call(
      client,
      '/grpc.health.v1.Health/Check',
      textField('temporal.api.workflowservice.v1.WorkflowService'),
    )
    // status = SERVING
    if (!health.equals(Buffer.from([0x08, 1]))) return false
    await call(
      client,
      '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
      textField('default'),
    )
    return true
  } finally {
    client.close()
  }
}
