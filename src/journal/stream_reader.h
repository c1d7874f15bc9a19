/* Reads the stream: a base, then the segments from its LSN on, frame by frame, and tells a torn tail from
 * damage as DURABILITY.md has it. It takes nothing over and changes nothing, so that recovery and the tools
 * share it. */
#ifndef DKV_JOURNAL_STREAM_READER_H
#define DKV_JOURNAL_STREAM_READER_H

#include "journal/manifest.h"
#include "journal/segment_reader.h"

struct stream_reader {
    struct disk *disk;
    const char *folder; /* for messages */
    const struct manifest *manifest;
    size_t base;    /* index of the base that it began with */
    size_t segment; /* index of the segment being read, or read next */
    bool in_log;    /* the base has been read */
    bool is_open;
    struct segment_reader file;
    lsn_t lsn;          /* of the stream, up to which the log has been read */
    lsn_t promised_lsn; /* the highest LSN that is known to have been made durable */
    uint64_t data_end;  /* offset in the segment being read behind the last frame that holds data */
    uint64_t bytes_done;
    uint64_t frames;

    /* Where it was when it ended or failed. */
    char place_name[FILE_NAME_SIZE];
    uint64_t place_offset;
    struct segment_rest torn; /* at the end: what was dropped behind it */
};

enum stream_read {
    STREAM_FRAME,
    STREAM_END,   /* all was read; what is behind, if anything, is a torn tail */
    STREAM_FAILED /* damage, or reading failed: error says where, what is at stake and what to do */
};

/* disk, folder and manifest stay the caller's. base is an index into manifest's bases: the one in use is the
 * last. */
void stream_reader_open(struct stream_reader *reader, struct disk *disk, const char *folder,
                        const struct manifest *manifest, size_t base);
/* Gives the next frame of any kind; its payload is valid until the next call. */
enum stream_read stream_reader_next(struct stream_reader *reader, enum journal_source *source,
                                    struct frame *frame, struct journal_error *error);
void stream_reader_close(struct stream_reader *reader);

/* Says that what is wrong was found at the place the reader is at, with what is at stake and what to do. */
void stream_reader_describe(const struct stream_reader *reader, const char *wrong,
                            struct journal_error *error);

#endif
