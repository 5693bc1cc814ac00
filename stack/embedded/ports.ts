/** Ports of one stack: a block of free ones on loopback, chosen before the first start and kept with the data. */
import { randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

// Below Linux's ephemeral range (from 32768), so that no outgoing connection takes a port while its owner restarts.
const firstPort = 20_000
const blockSize = 64
const blocks = 190

interface Saved {
  base: number
  names: Record<string, number>
}

export class Ports {
  private readonly file: string | undefined
  private readonly saved: Saved
  private readonly guard: Server

  constructor(file: string | undefined, saved: Saved, guard: Server) {
    this.file = file
    this.saved = saved
    this.guard = guard
  }

  /** The port of this name: the same at every call and, with a file, at every start of the stack. */
  async of(name: string): Promise<number> {
    const known = this.saved.names[name]
    if (known !== undefined) return known
    for (let port = this.saved.base + 1; port < this.saved.base + blockSize; port += 1) {
      if (Object.values(this.saved.names).includes(port)) continue
      // Taken before the first await, for calls may run side by side.
      this.saved.names[name] = port
      if (await isFree(port)) {
        if (this.file) writeFileSync(this.file, JSON.stringify(this.saved))
        return port
      }
    }
    delete this.saved.names[name]
    throw new Error(`no free port between ${this.saved.base} and ${this.saved.base + blockSize} for ${name}`)
  }

  close(): void {
    this.guard.close()
  }
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server))
  })
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port)
  if (!server) return false
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return true
}

/** A block is owned by whoever listens on its first port: the kernel frees it when the owner is killed. */
async function guardOf(base: number): Promise<Server | undefined> {
  const guard = await listen(base)
  guard?.unref()
  return guard
}

async function areFree(saved: Saved): Promise<boolean> {
  const free = await Promise.all(Object.values(saved.names).map(isFree))
  return free.every(Boolean)
}

function readSaved(file: string): Saved | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Saved
  } catch {
    return undefined
  }
}

/** @param file where the choice is kept; a choice that is no longer free is made anew */
export async function choosePorts(file?: string): Promise<Ports> {
  const saved = file ? readSaved(file) : undefined
  const guard = saved && (await guardOf(saved.base))
  if (saved && guard && (await areFree(saved))) return new Ports(file, saved, guard)
  guard?.close()
  for (let attempt = 0; attempt < blocks * 2; attempt += 1) {
    const base = firstPort + blockSize * randomInt(blocks)
    const fresh = await guardOf(base)
    if (fresh) return new Ports(file, { base, names: {} }, fresh)
  }
  throw new Error(`no free block of ports between ${firstPort} and ${firstPort + blocks * blockSize}`)
}
