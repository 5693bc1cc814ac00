/** The script that prints a hundred megabytes, and how much of that came. */
import { countOf } from './caller'

export const FLOOD_BYTES = 100_000_000

/** A hundred bytes with the end of the line, so that the last one is whole. */
export const floodLine =
  'a line of output, as long as those that programs write into their logs, with a number at the end: 4'

export const floodScript = `yes '${floodLine}' | head -c ${FLOOD_BYTES}`

/** Whatever a peer writes around the lines is not counted. */
export const floodBytesIn = (said: Buffer) => countOf(said, floodLine) * (floodLine.length + 1)
