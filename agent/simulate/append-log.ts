/** A file that only grows, a line at a time: what a killed process wrote is whole, but for its last line. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

const READ_BYTES = 16 * 1024

export class AppendLog {
  readonly path: string
  private readonly file: number
  private size: number

  private constructor(path: string) {
    this.path = path
    this.file = openSync(path, 'a+', 0o600)
    this.size = fstatSync(this.file).size
  }

  /**
   * Opens the file, making it if there is none.
   * @param take called with each line that is there, and where it begins
   */
  static open(path: string, take: (line: string, offset: number) => void): AppendLog {
    const log = new AppendLog(path)
    const bytes = readFileSync(path)
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      take(bytes.toString('utf8', from, end), from)
      from = end + 1
    }
    // A torn line becomes one that nobody can read, instead of the beginning of the next.
    if (from < bytes.length) log.append('')
    return log
  }

  /**
   * Writes one line in one piece.
   * @returns where it begins
   * @throws when the disk does not take all of it
   */
  append(line: string): number {
    const offset = this.size
    const bytes = Buffer.from(`${line}\n`)
    const written = writeSync(this.file, bytes)
    this.size += written
    if (written < bytes.length) throw new Error(`${this.path} took only a part of a line: is the disk full?`)
    return offset
  }

  /** The line that begins at `offset`. */
  read(offset: number): string {
    const pieces: Buffer[] = []
    for (let at = offset; ; at += READ_BYTES) {
      const piece = Buffer.alloc(READ_BYTES)
      const read = readSync(this.file, piece, 0, READ_BYTES, at)
      const end = piece.subarray(0, read).indexOf(10)
      pieces.push(piece.subarray(0, end < 0 ? read : end))
      if (end >= 0 || read < READ_BYTES) return Buffer.concat(pieces).toString('utf8')
    }
  }

  close(): void {
    closeSync(this.file)
  }
}
