/* Whole values in Redis's RDB format: a byte that tells type and form, then the value. DUMP's payload is that
 * with a footer:
 *
 *     2 bytes  version of the format, little endian
 *     8 bytes  CRC-64 of all before, little endian (base/crc64.h)
 *
 * A new type of value adds its row to rdb_value.c and a file beside rdb_hash.c. */
#ifndef DKV_RDB_RDB_VALUE_H
#define DKV_RDB_RDB_VALUE_H

#include "rdb/rdb_read.h"
#include "store/store.h"
#include "value/hash.h"

/* Versions of the format: what is written as long as the value does not need more (Redis 7.0), and what is
 * needed for times of fields (Redis 7.4). Newer ones than the last are refused. */
#define RDB_VERSION       10
#define RDB_VERSION_TIMED 12
#define RDB_VERSION_MAX   12

/* Appends a value as it is in memory, small collections as the block they are. compress: strings by LZF. */
void rdb_append_value(struct buffer *out, const struct entry *entry, bool compress);
/* The lowest version of the format that has this form of it. */
int rdb_value_version(const struct entry *entry);
/* How many bytes rdb_append_value would append but for the first. A large string, whose bytes may not be
 * there, counts as if it could not be compressed. */
size_t rdb_value_size(const struct entry *entry, bool compress);

enum rdb_status {
    RDB_OK,
    RDB_BAD,      /* it is not whole, or not right */
    RDB_NO_MEMORY /* there is not enough for a value of that size */
};

/* A value that was read and has no key yet. Drop it, put or not. */
struct rdb_value {
    enum value_type type;
    struct rdb_string string; /* also: the bytes of a listpack, which is a hash of this encoding */
    enum hash_encoding encoding;
    struct hash *hash; /* a hash that was none; otherwise NULL */
};

/* Who wrote the bytes. */
enum rdb_source {
    RDB_ANYBODY,
    RDB_OWN /* this server, as a checksum vouches: no name of a field is there twice */
};

/* Reads a value off the front of *rest. string_max: bytes of a string at the most. settings: the keyspace's,
 * for hashes. */
enum rdb_status rdb_read_value(struct slice *rest, enum rdb_source source, uint64_t string_max,
                               const struct hash_settings *settings, struct rdb_value *value);
/* Inserts it under a key, or puts it in the place of what is there, with this time to live. NULL, and nothing
 * changed: there is not enough memory. */
struct entry *rdb_put_value(struct database *db, struct slice key, uint64_t hash, struct rdb_value *value,
                            int64_t expire_ms);
void rdb_value_drop(struct rdb_value *value);
/* Reads more of a collection into one that is there, which stays a collection of its type; *entry: its new
 * address. RDB_BAD also where the entry's type has no pieces. */
enum rdb_status rdb_read_more(struct slice *rest, struct database *db, struct slice key, uint64_t hash,
                              struct entry **entry);

/* DUMP's payload of an entry, appended. */
void rdb_append_payload(struct buffer *out, const struct entry *entry, bool compress);
/* Whether such a payload has a version that is known and the right checksum; *value: what to read the value
 * from. Nobody looks whether that ends where the footer begins, as nobody does in Redis. */
bool rdb_payload_value(struct slice payload, struct slice *value);

#endif
