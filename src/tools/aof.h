/* Finds the files of a Redis append-only log and reads the commands in them.
 *
 * A log is one file, or (since Redis 7) a folder with a manifest that names a base and the increments behind
 * it. A base, or the beginning of a single file, may be an RDB snapshot, which is not readable here. Lines
 * that begin with # are annotations; #TS:<seconds> says when what follows was written. */
#ifndef DKV_TOOLS_AOF_H
#define DKV_TOOLS_AOF_H

#include <stdio.h>

#include "journal/failure.h"
#include "resp/parser.h"

struct aof_files {
    char **paths; /* in the order in which they are read */
    size_t count;
};

/* path: a file, a folder with a manifest, or Redis's data folder with an appendonlydir. False when there is
 * no log to be found, with the reason. files is to be freed in both cases. */
bool aof_find(const char *path, struct aof_files *files, struct journal_error *error);
void aof_files_free(struct aof_files *files);

struct aof_reader {
    FILE *file; /* the caller's */
    struct parser *parser;
    struct buffer window;
    size_t used;     /* bytes of the window that belong to commands that were given */
    uint64_t offset; /* of the window's first byte in the file */
    int count;       /* framed in the window, and how many of them were given */
    int given;
    bool at_end;
    bool more; /* the parser may find more in the window as it is */
};

enum aof_read {
    AOF_COMMAND,
    AOF_TIME, /* an annotation: *time_ms */
    AOF_END,
    AOF_CUT,   /* the file ends within a command: the last write was cut off */
    AOF_FAILED /* error says where and what */
};

void aof_reader_open(struct aof_reader *reader, FILE *file);
void aof_reader_close(struct aof_reader *reader);
/* *request is valid until the next call; *offset is where it begins. */
enum aof_read aof_next(struct aof_reader *reader, const struct request **request, uint64_t *offset,
                       int64_t *time_ms, struct journal_error *error);

#endif
