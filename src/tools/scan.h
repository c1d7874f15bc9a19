/* Reads one file of the stream frame by frame, and goes on behind what is damaged.
 *
 * It differs from journal/stream_reader.h, which recovery uses and which ends at the first damage, in three
 * ways: it finds the next valid frame behind a damaged place, it reads a file whose header is damaged
 * (MANIFEST names the salt, too), and it can be used on a folder that a server is writing. The rule that
 * tells a torn tail from damage is the same (DURABILITY.md). */
#ifndef DKV_TOOLS_SCAN_H
#define DKV_TOOLS_SCAN_H

#include "journal/journal.h"
#include "tools/folder.h"

enum damage_kind {
    DAMAGE_MISSING, /* the file is not there */
    DAMAGE_HEADER,  /* of the file; MANIFEST knows what should be in it, so nothing is lost by that alone */
    DAMAGE_FRAMES,  /* one or more frames */
    DAMAGE_PAYLOAD  /* a valid frame holds what is no stream of commands: written so, not damaged later */
};

struct damage {
    enum damage_kind kind;
    char name[FILE_NAME_SIZE];
    enum journal_source source;
    size_t index;    /* of the base or the segment in the manifest */
    uint64_t offset; /* in the file; end is where valid frames go on, or where the file ends */
    uint64_t end;
    lsn_t
        lsn; /* of the stream, from here to lsn_end it cannot be read; in a base, the same two of its bytes */
    lsn_t lsn_end;
    bool denied; /* the file was not read at all, for a reason that says nothing of what is in it */
    char what[128];
};

/* Where a damage is, for messages: file, offset and, in the log, LSNs. */
#define DAMAGE_PLACE_SIZE (FILE_NAME_SIZE + 128)
const char *damage_place(char out[DAMAGE_PLACE_SIZE], const struct damage *damage);

/* What a scan says as it goes. Either function may be NULL; false ends the scan. */
struct scan_visitor {
    void *context;
    /* offset: of the frame in the file. */
    bool (*frame)(void *context, const char *name, uint64_t offset, const struct frame *frame);
    bool (*damage)(void *context, const struct damage *damage);
};

/* What was found out on the way: keep one over all the segments, in order. */
struct scan_log {
    lsn_t promised; /* the highest LSN that is known to have been made durable; begin with 0 */
    lsn_t end;      /* how far the stream could be read, holes left aside */
    /* Where the last segment ends, and what looks like frames behind that place, never made durable. */
    uint64_t tail_offset;
    uint64_t torn_frames;
    uint64_t torn_bytes;
    /* The last frame of the last segment is a closing one, which says that all before it is durable. */
    bool is_closed;
    /* The last segment could be read up to an end; what follows a damage that reaches to the end of the file
     * is not known. */
    bool has_end;
    /* Set by a visitor that sees what a server did by now: what was read ahead may be older than that, so the
     * end of the last segment is read anew before it counts as the end. */
    bool again;
};

/* Whether an errno tells that a file was not read for want of leave or of means, not that it is damaged. */
bool scan_is_denied(int rc);

/* index: of manifest.bases; one without a file has no frames. False when the visitor ended it. */
bool scan_base(const struct folder *folder, size_t index, const struct scan_visitor *visitor);
/* index: of manifest.segments. */
bool scan_segment(const struct folder *folder, size_t index, const struct scan_visitor *visitor,
                  struct scan_log *log);

#endif
