/** Seeded randomness for tests. */
export { seeded } from '../../base/seeded'
