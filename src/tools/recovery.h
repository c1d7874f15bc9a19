/* The state that a folder holds, by the server's own recovery, without changing the folder. */
#ifndef DKV_TOOLS_RECOVERY_H
#define DKV_TOOLS_RECOVERY_H

#include "journal/journal.h"
#include "store/store.h"
#include "tools/log.h"

struct replay_result {
    uint64_t keys;
    uint64_t keys_volatile;
    uint64_t types[VALUE_TYPE_COUNT]; /* keys by type */
    uint64_t commands;
    uint64_t live_bytes; /* about what a rewrite would write */
    int databases;       /* one more than the highest with keys */
};

/* More than any server is configured with: what is in the folder decides. They cost little while empty. */
#define REPLAY_DATABASES (UINT16_MAX + 1)

/* Recovers in memory what is in the folder on disk, as a server with so many databases would; name is for
 * messages. False when recovery fails, with its reason in error. */
bool replay_folder(struct disk *disk, const char *name, struct clock *clock, int databases,
                   struct replay_result *result, struct journal_error *error);

/* Appends to names those of the value files that the state needs, each ended by a NUL. False when recovery
 * fails for another reason than one of these. */
bool replay_values(struct disk *disk, const char *name, struct clock *clock, struct buffer *names,
                   struct journal_error *error);

#endif
