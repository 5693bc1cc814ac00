/** The languages of scripts and how each is started: always by its interpreter, because the folder may be noexec. */

export interface Language {
  name: string
  /** Programs that can run it, best first. */
  programs: string[]
  options: string[]
  extension: string
  platform: 'any' | 'win32'
}

/** Carried out by the runner that the agent brings: see sql.ts. */
export const SQL: Language = { name: 'sql', programs: [], options: [], extension: '.sql', platform: 'any' }

// powershell and bat are written from their manuals and were not tested here: no machine with them was at hand.
const languages: Language[] = [
  { name: 'bash', programs: ['bash'], options: [], extension: '.sh', platform: 'any' },
  { name: 'sh', programs: ['sh'], options: [], extension: '.sh', platform: 'any' },
  { name: 'python', programs: ['python3', 'python'], options: [], extension: '.py', platform: 'any' },
  { name: 'perl', programs: ['perl'], options: [], extension: '.pl', platform: 'any' },
  { name: 'node', programs: ['node', 'nodejs'], options: [], extension: '.js', platform: 'any' },
  {
    name: 'powershell',
    programs: ['pwsh', 'powershell.exe'],
    options: ['-NoProfile', '-NonInteractive', '-File'],
    extension: '.ps1',
    platform: 'any',
  },
  { name: 'bat', programs: ['cmd.exe'], options: ['/d', '/c'], extension: '.bat', platform: 'win32' },
]

export function findLanguage(name: string): Language | undefined {
  return name === SQL.name ? SQL : languages.find((language) => language.name === name)
}

/** Interpreter and options, or undefined when the host has none. */
export function interpreterFor(
  language: Language,
  find: (program: string) => string | undefined,
): string[] | undefined {
  if (language.platform !== 'any' && language.platform !== process.platform) return undefined
  for (const program of language.programs) {
    const path = find(program)
    if (path) return [path, ...language.options]
  }
  return undefined
}

/** Languages that can run here, for the facts. */
export function usableLanguages(find: (program: string) => string | undefined): string[] {
  return languages.filter((language) => interpreterFor(language, find)).map((language) => language.name)
}
