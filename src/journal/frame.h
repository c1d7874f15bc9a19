/* The on-disk format of log segments and bases: a file header, then frames. Everything is little-endian.
 *
 *   file header, 64 bytes                      frame header, 48 bytes, then the payload
 *   -------------------------------------      -------------------------------------------------------------
 *    0   8  "DKVLOG\r\n" or "DKVBASE\n"         0   8  checksum: XXH3-64 seeded with the file's salt
 *    8   4  format version: 1                         over bytes 8 to 48 + length
 *   12   4  zero                                8   4  magic: frame_magic(salt)
 *   16  16  stream id, random, as in MANIFEST  12   1  kind: data, close, base end, values
 *   32   8  salt, random, new for every use    13   1  zero
 *   40   8  LSN of the file's first byte       14   2  database selected when the payload begins
 *   48   8  wall clock when it was begun, ms   16   8  length of the payload in bytes
 *   56   8  XXH3-64 of bytes 0 to 56, seed 0   24   8  LSN of the payload's first byte
 *                                              32   8  highest LSN known durable when this was written
 *                                              40   8  what commands took for now when this was written, ms
 *                                              48      payload
 *
 * The payload of a data frame is a whole number of units of the stream: RESP commands; a unit of several
 * commands is wrapped in MULTI and EXEC. Frames follow each other without a gap, in the file and in LSNs: a
 * frame's LSN is the last one's LSN plus its length (but see below for values frames). A close frame has no
 * payload and only says what is durable. In a base, "LSN" counts the base's own payload bytes from 0; its
 * last frame is a base end frame without payload, so that a base that was cut short is never taken for a
 * whole one.
 *
 * Which frames are valid. Segments are recycled, so behind the last frame there may be old frames of another
 * life of the file. The salt changes with every use and seeds both the magic and the checksum, so an old
 * occupant's frame never passes for one of ours. And since the salt is secret until the file is written, no
 * client can put bytes into a value that look like a frame of this file: looking for frames beyond a damaged
 * place is safe and quick.
 *
 * The time is that which commands saw (journal_set_time). It is not before that of any unit in the frame, and
 * never less than in the frame before, but where time was set back to the clock (clock-set-back follow): then
 * the units before it delete all that had expired. So from the last frame's time on a start can go on.
 *
 * A server that found no frame behind its base does not know which database the stream has selected there.
 * Its first payload begins with a SELECT; then the field does not tell what the frame before it left
 * selected.
 *
 * The checksum covers the length, but a length must be compared with what is left of the file before it is
 * used.
 *
 * A values frame is a data frame from whose units the bytes of some large values were left out: they lie in
 * files of their own (value_file.h). Its payload is the text without those bytes, then a reference for each
 * of them in the order of the text, then an end:
 *
 *   reference, 40 bytes                              end, 16 bytes
 *   --------------------------------------------     -----------------------------------------------
 *    0   8  offset in the text of the bytes left out   0   8  bytes of the stream that this frame stands for
 *    8   8  how many they are                          8   4  how many references there are, at least one
 *   16   8  LSN in the file's name                    12   4  zero
 *   24   4  number in the file's name
 *   28   4  zero
 *   32   8  XXH3-64 of the bytes, seed 0
 *
 * LSNs count the stream as it is with the values in their places, which is what a replica would be sent. So
 * for every kind of frame: the next one's LSN is this one's plus frame_stream_size. */
#ifndef DKV_JOURNAL_FRAME_H
#define DKV_JOURNAL_FRAME_H

#include "base/bytes.h"

/* A position in the stream, in bytes since it began. */
typedef uint64_t lsn_t;

#define FRAME_FORMAT_VERSION 1
#define FILE_HEADER_SIZE     64
#define FRAME_HEADER_SIZE    48
#define STREAM_ID_SIZE       16

enum file_kind { FILE_LOG, FILE_BASE };

struct file_header {
    enum file_kind kind;
    uint8_t stream_id[STREAM_ID_SIZE];
    uint64_t salt;
    lsn_t lsn;
    int64_t time_ms;
};

void file_header_encode(const struct file_header *header, char out[FILE_HEADER_SIZE]);
/* NULL when it is valid, otherwise what is wrong with it. */
const char *file_header_decode(struct file_header *header, struct slice bytes);
/* NULL when it is the header of the file that MANIFEST names, otherwise what shows that it is not. Times are
 * not compared. */
const char *file_header_compare(const struct file_header *header, const struct file_header *expected);

enum frame_kind { FRAME_DATA = 1, FRAME_CLOSE = 2, FRAME_BASE_END = 3, FRAME_VALUES = 4 };

struct frame {
    enum frame_kind kind;
    int database;
    lsn_t lsn;
    lsn_t durable_lsn;
    int64_t time_ms;
    struct slice payload; /* as it is in the file; units are in frame_text */
};

/* A value whose bytes are not in the text but in the file value-<lsn>-<number>.dkv. */
struct value_reference {
    uint64_t offset; /* in the text, where the bytes belong */
    uint64_t size;
    lsn_t lsn;
    uint32_t number;
    uint64_t checksum;
};

#define VALUE_REFERENCE_SIZE 40
#define VALUES_END_SIZE      16

/* Whether it holds units: data, with values left out or not. */
static inline bool frame_has_units(const struct frame *frame)
{
    return frame->kind == FRAME_DATA || frame->kind == FRAME_VALUES;
}

/* Of a decoded frame: its units, without the bytes of values that lie in files. */
struct slice frame_text(const struct frame *frame);
/* Whether it may follow a frame that left this database selected: it says so, or selects one itself before
 * all else. */
bool frame_follows(const struct frame *frame, int database);
/* Bytes of the stream, or of a base's own count, that it stands for. */
uint64_t frame_stream_size(const struct frame *frame);
/* References to values, in the order of the text; 0 unless it is a values frame. */
uint32_t frame_value_count(const struct frame *frame);
struct value_reference frame_value(const struct frame *frame, uint32_t index);
/* Turns a text into the payload of a values frame, by appending references and end to it. text_begin is where
 * in the buffer the text begins. */
void frame_values_append(struct buffer *payload, size_t text_begin, const struct value_reference *values,
                         uint32_t count);

uint32_t frame_magic(uint64_t salt);
/* Fills in the header in front of a payload: block holds FRAME_HEADER_SIZE bytes of room, then the payload,
 * whose size is frame->payload.size (frame->payload.data is not looked at). */
void frame_seal(const struct frame *frame, uint64_t salt, char *block);

enum frame_verdict {
    FRAME_VALID,
    FRAME_SHORT,  /* bytes end before the frame does; *need is how many it takes */
    FRAME_INVALID /* not a frame of this file */
};

/* Looks at a frame at the start of bytes. left is what remains of the file from there, bytes included: a
 * frame that claims more is invalid. frame->payload refers into bytes. */
enum frame_verdict frame_decode(struct frame *frame, struct slice bytes, uint64_t left, uint64_t salt,
                                size_t *need);
/* The offset, at or after from, at which something that looks like a frame header of this file begins (its
 * magic and fields are plausible; its checksum is not looked at); bytes.size when there is none. */
size_t frame_search(struct slice bytes, size_t from, uint64_t salt);
/* The LSN in what may be a frame's header, of FRAME_HEADER_SIZE bytes at least: for a file whose salt is
 * lost. It proves nothing. */
lsn_t frame_claimed_lsn(const char *header);

#endif
