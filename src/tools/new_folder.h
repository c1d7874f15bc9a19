/* Writes a folder that a server starts from: a stream of its own, with a base or without, and its segments.
 *
 * MANIFEST comes last, when all else is durable: a folder that was left half written has none, and no server
 * starts from it. */
#ifndef DKV_TOOLS_NEW_FOLDER_H
#define DKV_TOOLS_NEW_FOLDER_H

#include "base/random.h"
#include "journal/manifest.h"
#include "journal/names.h"

struct new_folder {
    struct disk *disk;
    struct manifest manifest;
    int64_t now_ms;
    int64_t last_ms; /* the last frame's */
    /* The file being written. */
    struct disk_file *file; /* NULL: none */
    char name[FILE_NAME_SIZE];
    bool is_base;
    uint64_t salt;
    uint64_t offset; /* where pending will be written */
    struct buffer pending;
    lsn_t lsn;                  /* that the next frame begins at: of the stream, or of the base's own bytes */
    struct journal_error error; /* of the first thing that failed; nothing is written after that */
    bool failed;
};

/* disk: of an empty folder. now_ms: when the folder is made. */
void new_folder_begin(struct new_folder *folder, struct disk *disk, int64_t now_ms);
/* The state that the stream begins with: one without a file at LSN 0, or a base, whose frames come next. */
void new_folder_empty_base(struct new_folder *folder, int64_t time_ms);
void new_folder_base(struct new_folder *folder, lsn_t lsn, int64_t time_ms);
/* Ends the file before it and begins a segment. The first one begins at the base's LSN. */
void new_folder_segment(struct new_folder *folder, lsn_t lsn);
/* Writes a frame of the file's kind; its LSN is the one that comes next, durable_lsn is not looked at. */
void new_folder_frame(struct new_folder *folder, const struct frame *frame);
/* Makes all of it durable and takes it into use. False when something failed, now or before: error says what.
 */
bool new_folder_finish(struct new_folder *folder);
/* Frees what it takes in memory. Comes last, however it went. */
void new_folder_end(struct new_folder *folder);
/* Removes what was written into a folder that was empty before. */
void new_folder_remove(struct disk *disk);

#endif
