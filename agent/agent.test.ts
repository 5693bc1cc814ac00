/** The agent against a gateway of the tests: joining, running, reporting. */
import { TaskState } from '../proto/index.js'
import { AgentProcess } from './testing/agent-process.js'
import { TestGateway } from './testing/test-gateway.js'

let gateway: TestGateway
let agent: AgentProcess

beforeAll(async () => {
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway)
  agent.start()
  await gateway.sessionUp()
})

afterAll(async () => {
  await agent.remove()
  await gateway.stop()
})

describe('an agent with a session', () => {
  it('runs a script and reports its exit and output', async () => {
    const { update, stdout } = await gateway.run({ text: 'echo hi' })
    expect(update.state).toBe(TaskState.TASK_STATE_EXITED)
    expect(update.exitCode).toBe(0)
    expect(stdout.toString()).toBe('hi\n')
  })
})
