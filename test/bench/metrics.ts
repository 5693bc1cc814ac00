/** Reading one number out of what a role serves under /metrics. */

/** NaN where there is none. @param name with its labels, as it is printed */
export function valueOf(metrics: string, name: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? Number.NaN)
}
