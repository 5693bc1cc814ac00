/** Values as they are kept, and as people and conditions read them. */
import type { Value } from '../../domain/variable.schema.js'
import type { VariableType } from '../../domain/variable.js'

/** What is kept as bytes, as text; what is no UTF-8 is shown with replacement characters. */
export function toValue(type: VariableType, items: readonly Buffer[]): Value {
  const texts = items.map((item) => item.toString('utf8'))
  if (type === 'list') return texts
  if (type !== 'map') return texts[0] ?? ''
  return Object.fromEntries(texts.flatMap((key, at) => (at % 2 ? [] : [[key, texts[at + 1] ?? '']])))
}

/** Whether it reads as it is kept. */
export const isText = (items: readonly Buffer[]) =>
  items.every((item) => Buffer.from(item.toString('utf8')).equals(item))
