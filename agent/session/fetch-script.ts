/** Fetching a script that was too large for its dispatch. */
import { SCRIPT_BLOB_PATH } from '../../proto/index.js'
import { type BlobRequest, fetchBlob } from './fetch-blob.js'

export type ScriptRequest = Omit<BlobRequest, 'path'> & { sha256: Buffer }

/** The bytes; the caller compares their hash. Rejects as `fetchBlob`. */
export function fetchScript(request: ScriptRequest): Promise<Buffer> {
  return fetchBlob({ ...request, path: `${SCRIPT_BLOB_PATH}${request.sha256.toString('hex')}` })
}
