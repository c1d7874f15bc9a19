/* Where a command writes what it may have to begin anew, as a server replaced the files that it was reading.
 */
#ifndef DKV_TOOLS_OUTLET_H
#define DKV_TOOLS_OUTLET_H

#include <sys/types.h>

#include "tools/log.h"

struct outlet {
    FILE *to;   /* of the tool */
    FILE *file; /* what is to be written to: to itself, or a temporary file */
    off_t begin;
    bool is_regular; /* to can be cut off at begin */
};

/* Without a server at work nothing has to be taken back. With one, a file is cut where that is needed, a pipe
 * gets its bytes in the end, and a terminal at once. */
void outlet_open(struct outlet *outlet, FILE *to, bool in_use);
/* Whether all that was written is gone again; false when it cannot be taken back. */
bool outlet_take_back(struct outlet *outlet);
/* False when not all could be written. */
bool outlet_close(struct outlet *outlet);

#endif
