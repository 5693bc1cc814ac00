import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { AgentProcess } from '../testing/agent-process'
import { TestGateway } from '../testing/test-gateway'

// Some sandboxes let nobody lower it.
const mayLower = spawnSync('/bin/sh', ['-c', 'echo -500 > /proc/self/oom_score_adj']).status === 0
const whereAllowed = mayLower ? it : it.skip

describe('when memory runs out', () => {
  whereAllowed('the agent is spared, and its scripts are not', async () => {
    const gateway = await TestGateway.start()
    const agent = await AgentProcess.create(gateway)
    try {
      agent.start()
      await gateway.sessionUp()
      const own = readFileSync('/proc/self/oom_score_adj', 'latin1')
      const { stdout } = await gateway.run({
        text: 'cat /proc/self/oom_score_adj; sh -c "cat /proc/self/oom_score_adj"',
      })
      expect(stdout.toString()).toBe(own + own)
      expect(readFileSync(`/proc/${agent.pid}/oom_score_adj`, 'latin1').trim()).toBe('-500')
    } finally {
      await agent.remove()
      await gateway.stop()
    }
  })
})
