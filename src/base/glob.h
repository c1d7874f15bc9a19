/* Glob matching as Redis does it: * ? [a-c] [^a] and \ to quote. One difference: stars match an empty text,
 * while Redis lets only KEYS and SCAN see that, and only for a lone star.
 *
 * A pattern is read once and matched often. Reading takes time in proportion to the pattern, matching in
 * proportion to the text, whatever clients send: the product of a pattern's length and a text's would hold
 * the loop up for seconds. Only a piece between two stars that is not all plain characters costs more, a 64th
 * of its length for each byte of the text, and is limited to GLOB_PIECE_MAX elements. */
#ifndef DKV_BASE_GLOB_H
#define DKV_BASE_GLOB_H

#include "base/bytes.h"

#define GLOB_PIECE_MAX 4096
/* Limits of the whole, as reading a pattern takes more time and memory than the pattern itself, and a set
 * ("[...]") hundreds of times what a plain character does. */
#define GLOB_SETS_MAX 4096
#define GLOB_SIZE_MAX ((size_t)1024 * 1024)

struct glob;

/* NULL: the pattern is beyond one of the limits above. The pattern need not outlive the call. ignore_case: of
 * ASCII letters. */
struct glob *glob_new(struct slice pattern, bool ignore_case);
bool glob_matches(const struct glob *glob, struct slice text);
/* NULL is nothing to free. */
void glob_free(struct glob *glob);
/* What to say when glob_new returned NULL. */
extern const char GLOB_TOO_COMPLEX[];

#endif
