/** Prints the secret of a gateway by its name: `gateway-secret NAME`, where the master key is. */
import { EnvReader } from '../base/env.js'
import { gatewaySecret } from '../base/secret-key.js'
import { parseMasterKey } from '../store/seal.js'

function main(name: string): void {
  const env = new EnvReader(process.env)
  const masterKey = env.secret('DROVER_MASTER_KEY')
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
    env.fault('give the name of the gateway: lower-case letters, digits and dashes, at most 63')
  env.finish()
  parseMasterKey(masterKey)
  process.stdout.write(`${gatewaySecret(masterKey, name)}\n`)
}

try {
  main(process.argv[2] ?? '')
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 2
}
