/** The demo's plan: facts of every host, then a configuration file that one host has otherwise. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Launch } from '../../sdk/index.js'

/** The host whose configuration was changed by hand. */
const oddHost = 'rack-b-4'

const configuration = (workers: number) =>
  [
    '[server]',
    'listen = 0.0.0.0:8080',
    `workers = ${workers}`,
    'timeout_ms = 30000',
    '',
    '[log]',
    'level = info',
    '',
  ].join('\n')

/**
 * Gives every host its own configuration file. All of them are this machine, so each has a folder named by its id, which
 * scripts know as DROVER_HOST. Returns the folder above them.
 */
export function plantConfigurations(data: string, hosts: readonly { id: string; name: string }[]): string {
  const fleet = join(data, 'fleet')
  for (const host of hosts) {
    const folder = join(fleet, host.id, 'etc')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'app.conf'), configuration(host.name === oddHost ? 2 : 16))
  }
  return fleet
}

/** A launch on both racks. */
export function demoLaunch(fleet: string): Launch {
  return {
    target: 'env=demo',
    plan: {
      name: 'demo: compare a configuration',
      steps: [
        { name: 'facts', script: 'uname -sr; id -un' },
        {
          name: 'app.conf',
          script: 'cat "$FLEET/$DROVER_HOST/etc/app.conf"',
          environment: { FLEET: fleet },
        },
      ],
    },
  }
}
