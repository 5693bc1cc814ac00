/** Lists that are longer than a page, read as one. */

export interface Page<T> {
  items: T[]
  next: string | null
}

/** Every item, each page fetched when the one before is used up. */
export async function* allItems<T>(
  fetchPage: (after: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let after: string | undefined
  do {
    const page = await fetchPage(after)
    yield* page.items
    after = page.next ?? undefined
  } while (after !== undefined)
}
