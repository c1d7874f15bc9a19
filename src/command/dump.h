/* A value as the bytes that DUMP returns and RESTORE takes, of this server or of redis-server. */
#ifndef DKV_COMMAND_DUMP_H
#define DKV_COMMAND_DUMP_H

#include "command/call.h"

/* Appends the payload of an entry, which holds a string. */
void dump_append(struct buffer *out, const struct world *world, const struct entry *entry);

#endif
