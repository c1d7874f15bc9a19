/* Whole values, one row a type: how one is written as commands in pieces of bounded size, and what its digest
 * is. (How it is kept, copied, measured and freed is a row in store/entry.h; Redis's formats are in rdb/.) A
 * new type of value adds a row.
 *
 * Written in a packed form, small collections are one DKV.LOAD, which carries the block that they are, and
 * large ones a DKV.LOAD for each piece; a plain form has commands that redis-server knows. */
#ifndef DKV_COMMAND_WHOLE_H
#define DKV_COMMAND_WHOLE_H

#include "base/bytes.h"
#include "store/store.h"

/* Bytes of a large collection's members and values that go into one piece, about: one that is longer is alone
 * in its piece. */
#define WHOLE_PIECE_BYTES ((size_t)32 << 10)

enum whole_form { WHOLE_PACKED, WHOLE_PLAIN };

/* Where commands are written to. */
struct whole_writer {
    struct buffer *buffer;
    enum whole_form form;
    void *context;
    /* Between two pieces of one value: may empty the buffer, or put another in its place. False: nothing more
     * is to be written. NULL: it all stays in the buffer. */
    bool (*flush)(struct whole_writer *writer);
    /* Writes the bytes of a string that lies in a file of its own, in the place of an argument. False as
     * above. NULL: they are written as they are. */
    bool (*value)(struct whole_writer *writer, struct blob *blob, struct slice key);
};

/* Writes an entry as commands that make it again, with its time to live. A piece is whole in the buffer; all
 * of them are needed. False: flush or value said so. */
bool whole_write(struct whole_writer *writer, const struct entry *entry);

/* A hash of the value's meaning: the same however it is kept, and for parts without an order in whatever
 * order they lie. What has expired by now_ms does not count. */
uint64_t whole_digest(const struct entry *entry, uint64_t seed, int64_t now_ms);

/* The command that DKV.LOAD is, for whoever has to know it in a stream:
 *
 *     DKV.LOAD key value [PXAT milliseconds]
 *     DKV.LOAD key value [MORE] OF parts
 *
 * value: as rdb_append_value writes it. The second is for pieces: with MORE the value is joined to what the
 * key holds; parts: how many there are in all pieces. */
#define WHOLE_LOAD "DKV.LOAD"

#endif
