/* Turns the commands of a Redis append-only log into a new folder's stream. For import.c and its fuzzer. */
#ifndef DKV_TOOLS_IMPORT_H
#define DKV_TOOLS_IMPORT_H

#include "command/command.h"
#include "resp/parser.h"
#include "tools/log.h"
#include "tools/new_folder.h"

struct importer {
    struct new_folder out;
    struct command_table *commands;
    int64_t now_ms;
    int64_t time_ms; /* when the commands at hand were written: as annotated, or now */
    lsn_t lsn;       /* of the frame being filled */
    lsn_t segment_lsn;
    struct buffer frame;
    int frame_database;
    struct buffer unit;   /* being read, not in the frame yet */
    int database;         /* selected behind the unit */
    int written_database; /* selected behind what is in the frame */
    bool in_unit;
    uint64_t unit_offset; /* of its MULTI */
    uint64_t effects;
    uint64_t left_out; /* commands that change nothing */
    bool is_cut;       /* the last file that was read ended within a command or a unit */
    uint64_t cut_offset;
    uint64_t cut_bytes;
    struct journal_error error;
};

void importer_open(struct importer *importer, struct disk *into, struct clock *clock);
void importer_close(struct importer *importer);
/* Reads one file of the log. False when it cannot be taken: the reason is in out's error if out has failed,
 * else in error, as a clause that follows the file's name. */
bool importer_read(struct importer *importer, FILE *file);

#endif
