/* A value as the bytes that DUMP returns and RESTORE takes, of this server or of redis-server. */
#ifndef DKV_FAMILY_DUMP_H
#define DKV_FAMILY_DUMP_H

#include "command/call.h"

/* Appends the payload of an entry, which holds a string. */
void dump_append(struct buffer *out, const struct world *world, const struct entry *entry);

/* How many bytes of the payload are the value's, without its type and its footer. A large value, whose bytes
 * may not be there, counts as if it could not be compressed. */
size_t dump_value_size(const struct world *world, const struct entry *entry);

#endif
