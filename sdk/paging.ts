/** Lists that are longer than a page, read as one. */

export interface Page<T> {
  items: T[]
  next: string | null
}

/** Every item, each page fetched when the one before is used up. */
export async function* allItems<T>(
  fetchPage: (after: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  for await (const page of allPages(fetchPage)) yield* page.items
}

/** Every page, for whoever wants to know how far it is. */
export async function* allPages<P extends { next: string | null }>(
  fetchPage: (after: string | undefined) => Promise<P>,
): AsyncGenerator<P> {
  let after: string | undefined
  do {
    const page = await fetchPage(after)
    yield page
    after = page.next ?? undefined
  } while (after !== undefined)
}
