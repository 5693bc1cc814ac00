/** Names that people give to what they author: fit for a path, a command line and a step's `uses`. */

/** Letters, digits, `.`, `_`, `-`, at most 63, as a pattern without its ends. */
export const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,62}'
