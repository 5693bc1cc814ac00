/** A text in the user's own editor. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { UsageError } from './fail.js'
import { decode } from './script-input.js'

export interface EditedText {
  text: string
  /** Where it is kept until it is forgotten: what somebody has written is not lost because a server refused it. */
  file: string
  forget(): void
}

/** @param name what the file is called. @throws UsageError if there is no editor, or it ends with an error */
export function editText(text: string, name: string): EditedText {
  const editor = process.env['VISUAL'] || process.env['EDITOR']
  if (!editor) throw new UsageError('no editor: set VISUAL or EDITOR, or give a file to: drover scripts put')
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-edit-'))
  const file = path.join(folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  // EDITOR may have arguments (`code --wait`): a shell splits it as git does.
  const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'editor', file], {
    stdio: 'inherit',
  })
  const forget = () => rmSync(folder, { recursive: true, force: true })
  const edited = readFileSync(file)
  if (error || status !== 0) {
    const isKept = !edited.equals(Buffer.from(text))
    if (!isKept) forget()
    const kept = isKept ? `; what you wrote is in ${file}` : ''
    throw new UsageError(`the editor "${editor}" ended with an error: nothing was changed${kept}`)
  }
  try {
    return { text: decode(edited), file, forget }
  } catch {
    throw new UsageError(`what you wrote is no UTF-8: it is kept in ${file}`)
  }
}
