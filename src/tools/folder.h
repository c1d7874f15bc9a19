/* A data folder as the tools see it: what MANIFEST names, what is there, and, where MANIFEST is missing,
 * damaged or older than the files, what it would have to name. Nothing here changes the folder. */
#ifndef DKV_TOOLS_FOLDER_H
#define DKV_TOOLS_FOLDER_H

#include "journal/manifest.h"
#include "journal/names.h"
#include "tools/log.h"

enum manifest_state {
    MANIFEST_GOOD,
    MANIFEST_MISSING,
    MANIFEST_DAMAGED,
    MANIFEST_OLD,    /* there are later files with data that it does not name */
    MANIFEST_FOREIGN /* all files whose headers are whole belong to another stream: it is another folder's */
};

struct found_file {
    char *name;
    enum name_kind kind;
    uint64_t number; /* its LSN, or the number of a spare */
    uint64_t size;
};

struct folder {
    struct disk *disk;
    const char *path; /* for messages */
    bool in_use;      /* a server may be writing while we read */
    enum manifest_state state;
    struct journal_error manifest_error; /* what is wrong unless it is good */
    uint64_t sequence;                   /* of MANIFEST as it was read; 0 without a good one */
    struct manifest manifest;            /* made from the files unless the state is good */
    lsn_t claimed;                       /* unless the state is good: the highest LSN that MANIFEST names */
    struct found_file *files;            /* all of them, ours or not, by name */
    size_t file_count;
};

/* False when there is nothing to work with; error says why. folder is to be freed in both cases. */
bool folder_load(struct folder *folder, struct tool *tool, struct journal_error *error);
void folder_free(struct folder *folder);
/* Whether MANIFEST was replaced since it was read: then files that it named may be gone, or others. */
bool folder_changed(const struct folder *folder);
/* For what reads a folder as a whole and fails because a server replaces files meanwhile. */
struct folder_watch {
    struct disk *disk;
    bool in_use;
    uint64_t sequence; /* of MANIFEST before the last try */
    int still;         /* tries during which it did not change */
};
void folder_watch_begin(struct folder_watch *watch, struct disk *disk, bool in_use);
/* Whether what failed is worth another try: MANIFEST was replaced since the last one, or the server may have
 * been seen in the middle of writing. Waits for a moment in the second case, and not for ever. */
bool folder_watch_again(struct folder_watch *watch);

/* Whether there is nothing but what an interrupted first start leaves: a server begins anew here. */
bool folder_is_fresh(const struct folder *folder);
/* Whether MANIFEST is damaged, too old, or missing where there are others to be named. */
bool folder_manifest_is_bad(const struct folder *folder);

/* The size of a file; 0 when it cannot be had. */
uint64_t folder_file_size(struct disk *disk, const char *name);
bool folder_has_file(const struct folder *folder, const char *name);
/* Bytes of all the files that MANIFEST names. */
uint64_t folder_bytes(const struct folder *folder);
/* Whether MANIFEST names a file of this kind and number. */
bool folder_names(const struct folder *folder, enum name_kind kind, uint64_t number);

#endif
