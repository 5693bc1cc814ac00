/** What a TLS mode means: whom to trust, and whether to do without. */
import { readFileSync } from 'node:fs'
import type { Options } from './options.js'

export interface TlsOptions {
  rejectUnauthorized: boolean
  ca?: string
}

/** Whether what is sent stays on this host. */
export function isOwnHost(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/**
 * Opens a session as far over TLS as the mode says: with `prefer` again without, where the server knows none.
 * @param isPlain whether that is what an error says
 */
export async function openOver<T>(
  options: Options,
  open: (tls: TlsOptions | undefined) => Promise<T>,
  isPlain: (error: unknown) => boolean,
): Promise<T> {
  try {
    return await open(tlsOf(options))
  } catch (error) {
    if (options.sslMode !== 'prefer' || !isPlain(error)) throw error
  }
  return open(undefined)
}

/** `require` encrypts and asks nobody's name: only `verify-full` knows who is there. */
function tlsOf({ sslMode, caFile, host }: Options): TlsOptions | undefined {
  if (sslMode === 'disable' || host.startsWith('/')) return undefined
  if (sslMode !== 'verify-full') return { rejectUnauthorized: false }
  return { rejectUnauthorized: true, ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }) }
}
