/** Operations on the script libraries. */
import type { Operation } from '../operation.js'
import { changeScript } from './change-script.js'
import { createScript } from './create-script.js'
import { createVersion } from './create-version.js'
import { deleteScript } from './delete-script.js'
import { deleteVersion } from './delete-version.js'
import { disableVersion } from './disable-version.js'
import { editVersion } from './edit-version.js'
import { getScript } from './get-script.js'
import { getVersion } from './get-version.js'
import { type Library, ownLibrary, publicLibrary } from './library.js'
import { listCitations } from './list-citations.js'
import { listScripts } from './list-scripts.js'
import { listVersions } from './list-versions.js'
import { publishVersion } from './publish-version.js'
import { syncJobs } from './sync-jobs.js'

const inLibrary: readonly ((library: Library) => Operation)[] = [
  listScripts,
  createScript,
  getScript,
  changeScript,
  deleteScript,
  listVersions,
  createVersion,
  getVersion,
  editVersion,
  publishVersion,
  disableVersion,
  deleteVersion,
  listCitations,
  syncJobs,
]

export const scriptOperations: readonly Operation[] = [ownLibrary, publicLibrary].flatMap((library) =>
  inLibrary.map((make) => make(library)),
)
