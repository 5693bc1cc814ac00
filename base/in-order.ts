/** Works ahead: up to `width` items at once, their results in the order of the items. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const ahead: Promise<R>[] = []
  for await (const item of items) {
    const result = work(item)
    // Whoever stops early never asks for it, and then not for its error either.
    result.catch(() => undefined)
    ahead.push(result)
    const first = ahead.length >= width ? ahead.shift() : undefined
    if (first) yield await first
  }
  for (const result of ahead) yield await result
}
