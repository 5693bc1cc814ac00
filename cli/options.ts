/** Options that many commands have. */
import { Option } from 'commander'

export const asJson = () => new Option('--json', 'print one JSON object')

/** Gathers an option that may be given several times. */
export const all = (value: string, before: string[]) => [...before, value]
