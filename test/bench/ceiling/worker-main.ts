/** The worker of the smallest run, a process of its own as ours are; ends with its standard input. */
import { NativeConnection, Runtime, Worker, bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'

async function main(): Promise<void> {
  const [address = '', workflowsPath = ''] = process.argv.slice(2)
  const logger = new DefaultLogger('ERROR')
  Runtime.install({ logger })
  const connection = await NativeConnection.connect({ address })
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger })
  const workflows = await Worker.create({ connection, taskQueue: 'ceiling', workflowBundle })
  const activities = await Worker.create({
    connection,
    taskQueue: 'ceiling.nothing',
    activities: { nothing: async () => {} },
  })
  const running = [workflows, activities].map((worker) => worker.run())
  process.stdout.write('ready\n')
  process.stdin.resume()
  process.stdin.once('close', () => {
    workflows.shutdown()
    activities.shutdown()
  })
  await Promise.all(running)
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
