/* Reads the frames of one file, a segment or a base, and looks for frames beyond a place that holds none. It
 * takes nothing over and changes nothing, so tools may use it on a folder that a server is using. */
#ifndef DKV_JOURNAL_SEGMENT_READER_H
#define DKV_JOURNAL_SEGMENT_READER_H

#include "journal/failure.h"
#include "journal/names.h"

struct segment_reader {
    struct disk_file *file;
    char name[FILE_NAME_SIZE];
    struct file_header header;
    uint64_t size;   /* of the file */
    uint64_t offset; /* of the next frame */
    lsn_t lsn;       /* that the next frame has to begin at */
    struct buffer window;
    uint64_t window_offset; /* where in the file the window begins */
};

enum segment_read {
    SEGMENT_FRAME,    /* a frame */
    SEGMENT_NO_FRAME, /* what is at offset is not the next frame */
    SEGMENT_ERROR     /* reading failed; error says where */
};

/* Opens a file and reads its header. False when it cannot be read or its header is not valid, with the reason
 * in error as a clause that begins with the file's name; nothing is left open then. */
bool segment_reader_open(struct segment_reader *reader, struct disk *disk, const char *name,
                         struct journal_error *error);
void segment_reader_close(struct segment_reader *reader);

/* Reads the frame at offset and moves behind it. The frame's payload is valid until the next call. With
 * SEGMENT_NO_FRAME, *why says what was found instead. */
enum segment_read segment_reader_next(struct segment_reader *reader, struct frame *frame, const char **why,
                                      struct journal_error *error);

/* What lies beyond a bad place. */
struct segment_rest {
    lsn_t durable_lsn;   /* the highest that a valid frame there names; 0 without any */
    uint64_t frames;     /* what looks like a frame of this file, valid or not */
    uint64_t end_offset; /* where the last of them ends, or would; offset when there is none */
};

/* Looks through the rest of the file from the reader's offset on. False when reading failed. The reader does
 * not move. */
bool segment_reader_look_beyond(struct segment_reader *reader, struct segment_rest *rest,
                                struct journal_error *error);

/* Whether a file named as the segment of an LSN holds part of a stream, or may do so: a frame behind its
 * header, be the first damaged or not; where the header is damaged, something that begins at that LSN, or
 * anything behind a header of zeros. A file that was being made, or a spare being taken into use, has its
 * header, an older one or part of both, and behind it zeros or frames of older LSNs. False when it cannot be
 * read. */
bool segment_file_holds_data(struct disk *disk, const char *name, lsn_t lsn,
                             const uint8_t stream_id[STREAM_ID_SIZE], bool *holds,
                             struct journal_error *error);

#endif
