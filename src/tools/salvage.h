/* What can still be read in a MANIFEST whose checksum is wrong: its lines, one by one. */
#ifndef DKV_TOOLS_SALVAGE_H
#define DKV_TOOLS_SALVAGE_H

#include "journal/manifest.h"

/* None of it is sure. A salt proves itself, as frames are valid with the right one only; of an LSN no more
 * can be said than that MANIFEST seems to have named it. */
struct salvage {
    bool has_stream;
    struct manifest manifest; /* any number of bases and segments, as they stand there */
    lsn_t highest;            /* of all LSNs that are named */
};

/* Reads what the disk gives of it. salvage is to be freed, whatever was found. */
void salvage_load(struct salvage *salvage, struct disk *disk);
/* What a whole MANIFEST says that is not the one it should be. */
void salvage_take(struct salvage *salvage, const struct manifest *manifest);
void salvage_free(struct salvage *salvage);

#endif
