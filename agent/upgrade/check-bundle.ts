/** Trying a bundle before anything is switched: it must say the version that was ordered, and accept this configuration. */
import { execFile } from 'node:child_process'

const LIMIT_MS = 20_000

/** What is wrong with the bundle at `path`, if anything. */
export async function findBundleFault(path: string, version: string): Promise<string | undefined> {
  const said = await ask(path, '--version')
  if ('fault' in said) return `it does not start: ${said.fault}`
  if (said.text.trim() !== version)
    return `it says that it is version "${said.text.trim().slice(0, 60)}", not "${version}"`
  const checked = await ask(path, '--config-check')
  return 'fault' in checked ? `it does not accept this host's configuration: ${checked.fault}` : undefined
}

function ask(path: string, flag: string): Promise<{ text: string } | { fault: string }> {
  return new Promise((resolve) => {
    const options = { timeout: LIMIT_MS, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 } as const
    execFile(process.execPath, [path, flag], options, (error, stdout, stderr) => {
      if (!error) return resolve({ text: stdout })
      const last =
        stderr
          .trim()
          .split('\n')
          .find((line) => /Error|error/.test(line)) ?? error.message
      resolve({ fault: last.slice(0, 300) })
    })
  })
}
