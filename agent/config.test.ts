/** The environment of the agent. */
import { readConfig, readJoinToken } from './config.js'

describe('the configuration', () => {
  it('has a default for everything but the gateways', () => {
    const config = readConfig({ DROVER_AGENT_GATEWAYS: 'a.example:7443, [::1]:7444' })
    expect(config).toMatchObject({
      state: '/var/lib/drover-agent',
      gateways: ['a.example:7443', '[::1]:7444'],
      stopFile: '/var/lib/drover-agent/stop',
      spoolQuotaBytes: 1024 ** 3,
      maxTasks: 100,
      healthListen: undefined,
      cgroups: true,
    })
  })

  it('tells all faults at once', () => {
    const read = () =>
      readConfig({
        DROVER_AGENT_GATEWAYS: 'nowhere',
        DROVER_AGENT_MAX_TASKS: '0',
        DROVER_HEALTH_LISTEN: '8080',
      })
    expect(read).toThrow(/DROVER_AGENT_GATEWAYS.*|DROVER_AGENT_MAX_TASKS/)
    expect(read).toThrow(/DROVER_AGENT_MAX_TASKS/)
    expect(read).toThrow(/DROVER_HEALTH_LISTEN/)
  })

  it('wants the join token only when it is asked for it', () => {
    expect(() => readJoinToken({})).toThrow(/DROVER_AGENT_JOIN_TOKEN/)
    expect(readJoinToken({ DROVER_AGENT_JOIN_TOKEN: 'drj_x' })).toBe('drj_x')
  })
})
