/* Hashes in Redis's RDB format, for rdb_value.h, which is what others use; and pieces of one. Times of fields
 * came with Redis 7.4:
 *
 *     RDB_HASH              length, then each field and value, strings
 *     RDB_HASH_LISTPACK     a string: the listpack
 *     RDB_HASH_TIMED        8 bytes: the earliest time, little endian; length; then for each field:
 *                           a length, 0 for no time or its distance to the earliest plus 1;
 *                           field and value, strings
 *     RDB_HASH_LISTPACK_EX  8 bytes: the earliest time; a string: the listpack of fields, values, times */
#ifndef DKV_RDB_RDB_HASH_H
#define DKV_RDB_RDB_HASH_H

#include "rdb/rdb_format.h"
#include "rdb/rdb_value.h"

void rdb_append_hash(struct buffer *out, const struct entry *entry, bool compress);
size_t rdb_hash_size(const struct entry *entry, bool compress);
int rdb_hash_version(const struct entry *entry);
enum rdb_status rdb_read_hash(struct slice *rest, enum rdb_type type, enum rdb_source source,
                              const struct hash_settings *settings, struct rdb_value *value);

/* Some fields of a large hash as a value of their own, RDB_HASH or RDB_HASH_TIMED. All zero but for is_timed
 * is an empty one. */
struct rdb_hash_piece {
    bool is_timed;
    uint64_t count;
    struct buffer fields;
};
void rdb_hash_piece_add(struct rdb_hash_piece *piece, const struct hash_field *field);
size_t rdb_hash_piece_bytes(const struct rdb_hash_piece *piece);
/* Appends the value; the piece is empty then. */
void rdb_hash_piece_end(struct rdb_hash_piece *piece, struct buffer *out);
void rdb_hash_piece_free(struct rdb_hash_piece *piece);

/* Reads a value of a hash into one that is there: fields of the same names are replaced. */
enum rdb_status rdb_read_hash_more(struct slice *rest, struct database *db, struct slice key, uint64_t hash,
                                   struct entry **entry);

#endif
