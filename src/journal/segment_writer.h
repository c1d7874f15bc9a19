/* The segment being appended to: its file, and the space prepared ahead of the write position.
 *
 *      header | frames | written zeros | reserved |
 *                    offset       filled_end  reserved_end
 *
 * Up to reserved_end blocks exist, so that a write there cannot find the disk full. Up to filled_end they
 * have also been written to, so that writing there again changes nothing that the file system has to journal:
 * that is what makes a small write with its fdatasync fast. */
#ifndef DKV_JOURNAL_SEGMENT_WRITER_H
#define DKV_JOURNAL_SEGMENT_WRITER_H

#include "journal/manifest.h"
#include "journal/names.h"

struct segment_writer {
    struct disk_file *file; /* NULL: none is open */
    char name[FILE_NAME_SIZE];
    lsn_t lsn; /* that the segment begins at */
    uint64_t salt;
    uint64_t offset; /* of the next frame */
    uint64_t filled_end;
    uint64_t reserved_end;
};

/* Creates a segment with its header, in place of a file of that name, which must hold nothing that MANIFEST
 * ought to know, of a spare file when spare is not NULL, with reserve bytes of space
 * behind the header, and makes it durable. Unless IO_DONE nothing is open, and nothing is left behind by
 * IO_FULL. */
enum io_result segment_writer_create(struct segment_writer *writer, struct disk *disk,
                                     const struct file_header *header, const char *spare, uint64_t reserve,
                                     struct journal_error *error);
/* Opens a segment that was read, to go on at offset. */
enum io_result segment_writer_resume(struct segment_writer *writer, struct disk *disk,
                                     const struct manifest_segment *segment, uint64_t offset,
                                     struct journal_error *error);
void segment_writer_close(struct segment_writer *writer);

/* Bytes of space from the write position on. */
static inline uint64_t segment_writer_room(const struct segment_writer *writer)
{
    return writer->reserved_end > writer->offset ? writer->reserved_end - writer->offset : 0;
}

/* Makes sure that there is room for so many bytes. */
enum io_result segment_writer_reserve(struct segment_writer *writer, uint64_t bytes,
                                      struct journal_error *error);
/* Writes zeros ahead until so many bytes from the write position on have been written to, as far as is
 * reserved. */
enum io_result segment_writer_fill(struct segment_writer *writer, uint64_t bytes,
                                   struct journal_error *error);
/* Writes at the write position and moves behind. After IO_FULL it has not moved and can be called again. */
enum io_result segment_writer_append(struct segment_writer *writer, const void *block, size_t size,
                                     struct journal_error *error);
/* Any failure of a sync is final. */
enum io_result segment_writer_sync(struct segment_writer *writer, struct journal_error *error);
/* Removes everything behind the write position, durably. */
enum io_result segment_writer_truncate(struct segment_writer *writer, struct journal_error *error);
/* Writes what lies between from and the write position once more, as it is. */
enum io_result segment_writer_rewrite(struct segment_writer *writer, uint64_t from,
                                      struct journal_error *error);

#endif
