/* What SCAN and its kin of single keys read alike. Private to the command families. */
#ifndef DKV_FAMILY_CURSOR_H
#define DKV_FAMILY_CURSOR_H

#include "base/glob.h"
#include "command/call.h"

/* A cursor; replies the error and returns false when it is none. */
bool call_cursor(struct call *call, int index, uint64_t *cursor);
/* A pattern, NULL: it matches everything. Replies the error and returns false when it is too complex. */
bool call_pattern(struct call *call, int index, struct glob **glob);

#endif
