/* A value file holds the bytes of one large value, one version of it, and never changes once it is written:
 * value-<lsn>-<number>.dkv. Frames refer to it by that name, with the size and the checksum that its bytes
 * must have (frame.h). Everything is little-endian:
 *
 *      0     8  "DKVVALU\n"
 *      8     4  format version: 1
 *     12     4  number, as in the name
 *     16    16  stream id, as in MANIFEST
 *     32     8  LSN, as in the name: the beginning of the unit that sets it, or the rewrite's cut
 *     40     8  size of the value
 *     48     8  size of the key that it was first set under
 *     56     8  wall clock when the file was begun, ms
 *     64        the key, or as much of it as fits; then zeros
 *   4088     8  XXH3-64 of bytes 0 to 4088, seed 0
 *   4096        the value's bytes
 *     +size  8  XXH3-64 of the value's bytes, seed 0
 *
 * The key is there for whoever looks at the file alone; recovery goes by frames. The last checksum lets a
 * tool tell whether a file is whole that no frame refers to. */
#ifndef DKV_JOURNAL_VALUE_FILE_H
#define DKV_JOURNAL_VALUE_FILE_H

#include "journal/failure.h"
#include "journal/names.h"

#define VALUE_FORMAT_VERSION 1
#define VALUE_HEADER_SIZE    4096
#define VALUE_CHECKSUM_SIZE  8
/* As much of a key as the header has room for. */
#define VALUE_KEY_MAX (VALUE_HEADER_SIZE - 64 - VALUE_CHECKSUM_SIZE)

struct value_header {
    uint8_t stream_id[STREAM_ID_SIZE];
    lsn_t lsn;
    uint32_t number;
    uint64_t size;
    int64_t time_ms;
    uint64_t key_size;
    struct slice key; /* its first bytes, at most VALUE_KEY_MAX; refers into what was decoded */
};

static inline uint64_t value_file_size(uint64_t size)
{
    return VALUE_HEADER_SIZE + size + VALUE_CHECKSUM_SIZE;
}

/* header->key may be longer than what fits; key_size is not looked at. */
void value_header_encode(const struct value_header *header, char out[VALUE_HEADER_SIZE]);
/* NULL when it is valid, otherwise what is wrong with it. */
const char *value_header_decode(struct value_header *header, struct slice bytes);

/* --- writing, in bounded steps ------------------------------------------------------------------------ */

struct value_writer {
    struct disk *disk;
    struct disk_file *file; /* NULL: none is being written */
    char name[FILE_NAME_SIZE];
    const char *data;
    uint64_t size;
    uint64_t written; /* of data */
    uint64_t checksum;
};

/* Creates the file, reserves its space and writes the header. data must stay until the writer is done. Unless
 * IO_DONE nothing is open, and nothing is left behind by IO_FULL. */
enum io_result value_writer_begin(struct value_writer *writer, struct disk *disk,
                                  const struct value_header *header, const char *data,
                                  struct journal_error *error);
/* Writes on, about bytes_max bytes; when all is written, the checksum, and syncs. Then the file is closed,
 * writer->checksum is set and *done is true. After IO_FULL the file is gone and it can be begun again. The
 * folder is for the caller to sync. */
enum io_result value_writer_step(struct value_writer *writer, uint64_t bytes_max, bool *done,
                                 struct journal_error *error);
/* Closes without finishing; what was written stays. */
void value_writer_close(struct value_writer *writer);

/* --- reading ------------------------------------------------------------------------------------------ */

/* Whether the file is there, as long as it must be, and its header is what its name, the stream and the size
 * say. Otherwise false, with a clause that begins with the file's name in error. */
bool value_file_check(struct disk *disk, const uint8_t stream_id[STREAM_ID_SIZE],
                      const struct value_reference *value, struct journal_error *error);
/* The same, and reads the value's bytes into data, which has room for value->size, and compares their
 * checksum. */
bool value_file_read(struct disk *disk, const uint8_t stream_id[STREAM_ID_SIZE],
                     const struct value_reference *value, char *data, struct journal_error *error);
/* Looks at a file on its own: fills in value from its header (offset 0) and from its own checksum, which is
 * compared with the bytes. key receives as much of the key as is there; it may be NULL. */
bool value_file_inspect(struct disk *disk, const char *name, struct value_reference *value,
                        struct value_header *header, struct buffer *key, struct journal_error *error);

#endif
