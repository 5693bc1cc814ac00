/** What a role of a platform serves under /metrics, as text; where, its environment says. */
import { readFileSync } from 'node:fs'
import type { Platform } from '../../stack/platform/platform'

export async function metricsOf(platform: Platform, role: string): Promise<string> {
  const environment = readFileSync(`/proc/${platform.child(role).pid}/environ`, 'latin1').split('\0')
  const listen = ['DROVER_HEALTH_LISTEN=', 'DROVER_API_LISTEN=']
    .map((key) => environment.find((entry) => entry.startsWith(key))?.slice(key.length))
    .find(Boolean)
  return (await fetch(`http://${listen}/metrics`)).text()
}

/** One number of that text; NaN where there is none. @param name with its labels, as it is printed */
export function valueOf(metrics: string, name: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? Number.NaN)
}
