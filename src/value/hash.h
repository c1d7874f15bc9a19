/* Hashes: fields with values, and with times to live of their own. Knows nothing of keys.
 *
 * A hash has one of four shapes; each is entered from the one before it and never left again:
 *
 *     packed bytes, in a room of the caller's   field, value, field, value ... as Redis's listpack
 *     a struct hash, HASH_LISTPACK              the same in an allocation of its own
 *     a struct hash, HASH_LISTPACK_EX           field, value, time ... by time, as Redis 7.4 has it;
 *                                               those without one (0) at the end
 *     a struct hash, HASH_TABLE                 a packed_table
 *
 * The first is for a keyspace's entry: the packed_hash functions work on bytes whose room the caller sees to.
 * The others move on by themselves, by the thresholds in struct hash_settings.
 *
 * Time is an argument: a field whose time has passed stays findable until somebody deletes it, because that
 * deletion is a change that must reach the log. One thread at a time.
 *
 * Names and values that a function takes must not lie in the hash that it changes. */
#ifndef DKV_VALUE_HASH_H
#define DKV_VALUE_HASH_H

#include "base/random.h"
#include "value/listpack.h"
#include "value/packed_table.h"

/* Milliseconds since 1970-01-01 UTC at which a field expires lie in 1 ... FIELD_TIME_MAX. */
#define FIELD_TIME_MAX ((INT64_C(1) << 48) - 1)
/* No time: the number that stands for it in keys, too. */
#define FIELD_NEVER INT64_C(-1)
/* hash_set: the time that the field has already, none if it is new. */
#define FIELD_KEEP_TIME INT64_C(-2)

/* As OBJECT ENCODING tells it: listpack, listpackex, hashtable. */
enum hash_encoding { HASH_LISTPACK, HASH_LISTPACK_EX, HASH_TABLE };

/* What all hashes of a keyspace share. Hashes keep its address. A change acts on what is done from then on.
 */
struct hash_settings {
    size_t entries_max; /* fields in a small form at the most (hash-max-listpack-entries) */
    size_t value_max;   /* bytes in a name or a value there (hash-max-listpack-value) */
    uint64_t seed;      /* secret, for the tables; never changes */
    bool frozen;        /* tables neither split nor merge: a forked child shares the pages */
};

#define HASH_SCRATCH 24

/* A field as a function found it. The slices lie in the hash, or in this struct if they are integers in a
 * listpack: they are valid until the hash is changed, and the struct cannot be copied. */
struct hash_field {
    struct slice name;
    struct slice value;
    int64_t expire_ms; /* FIELD_NEVER: it has none */
    char name_scratch[HASH_SCRATCH];
    char value_scratch[HASH_SCRATCH];
};

typedef void hash_visit(void *context, const struct hash_field *field);

/* --- The small form, in bytes of the caller's --- */

/* A listpack with an even number of elements. Its size stands in it. */
size_t packed_hash_bytes(const char *packed);
/* What an empty one takes, and making it. */
#define PACKED_HASH_EMPTY_BYTES 7
void packed_hash_init(char *packed);
/* Bytes that these two add to a packed hash. */
size_t packed_hash_pair_bytes(struct slice name, struct slice value);
/* Fields in it. */
size_t packed_hash_size(const char *packed);
bool packed_hash_find(const char *packed, struct slice name, struct hash_field *found);
/* Fills in the field at *position, which begins as 0, and moves it on; false behind the last one. */
bool packed_hash_next(const char *packed, size_t *position, struct hash_field *field);
/* A field by chance, each as likely; false: it is empty. */
bool packed_hash_random(const char *packed, struct random *random, struct hash_field *field);
/* As hash_random_distinct. */
void packed_hash_random_distinct(const char *packed, struct random *random, size_t count, hash_visit *visit,
                                 void *context);

/* A change that has been looked up and encoded but not done. Between the two the bytes may move, to where
 * there is room for `bytes`; they may not change, and neither may the name and the value. */
struct packed_hash_change {
    bool found;   /* there is a field of this name already */
    size_t bytes; /* what the packed hash takes after the change */
    size_t size;  /* fields after the change */
    /* What packed_hash_apply puts in place of what. */
    size_t position, old_bytes;
    unsigned old_count, count;
    struct listpack_item items[2];
};

/* Setting a field to a value. */
void packed_hash_plan_set(const char *packed, struct slice name, struct slice value,
                          struct packed_hash_change *change);
/* Deleting one; false: there is none, and nothing to apply. A hash whose last field goes is empty: 0 in size.
 */
bool packed_hash_plan_delete(const char *packed, struct slice name, struct packed_hash_change *change);
/* Whether the thresholds keep the small form for what comes of setting this name to this value. If not:
 * hash_from_listpack, then hash_set. */
bool packed_hash_stays(const struct hash_settings *settings, const struct packed_hash_change *change,
                       struct slice name, struct slice value);
/* Does it, in place. */
void packed_hash_apply(char *packed, const struct packed_hash_change *change);

/* --- A hash of its own --- */

struct hash;

/* An empty one, as a listpack. */
struct hash *hash_new(const struct hash_settings *settings);
/* Whether bytes that others wrote are the listpack of a hash of this encoding (not HASH_TABLE): every element
 * whole, at least one field, names all different, times in order. */
bool hash_listpack_valid(struct slice bytes, enum hash_encoding encoding);
/* The same without a look at the names: for bytes that this server wrote, as a checksum vouches. */
bool hash_listpack_whole(struct slice bytes, enum hash_encoding encoding);
/* One with the fields of such a listpack, which is copied; as a table if it has more of them than settings
 * allow, or is so large that changing it would take long. NULL: it is large and there is not enough memory.
 */
struct hash *hash_from_listpack(const struct hash_settings *settings, struct slice listpack,
                                enum hash_encoding encoding);
/* An equal one of the same encoding. NULL: there is not enough memory. Its owner room is zero. */
struct hash *hash_duplicate(const struct hash *hash);
void hash_free(struct hash *hash);
/* Frees in pieces, on any thread: true when all is gone, the hash too. Until then only this may be called
 * with it. *steps, about as many allocations as may be freed, is decreased by those that were. */
bool hash_free_step(struct hash *hash, size_t *steps);
/* How many allocations there are to free, about. */
size_t hash_free_cost(const struct hash *hash);

enum hash_encoding hash_encoding(const struct hash *hash);
const char *hash_encoding_name(enum hash_encoding encoding);
/* Fields, those whose time has passed too. */
size_t hash_size(const struct hash *hash);
/* Fields with a time. */
size_t hash_timed_size(const struct hash *hash);
/* Bytes that all its allocations take; exact, O(1). */
size_t hash_memory(const struct hash *hash);
/* About what writing it out takes, O(1): the bytes of the listpack, or of all names, values and times. */
size_t hash_payload(const struct hash *hash);
/* The listpack of a hash that is one, size 0 for a table. Valid until the next change. */
struct slice hash_listpack(const struct hash *hash);

/* A room of 40 bytes in a hash that has, or had, fields with times, for whoever keeps the hash in an order of
 * time. It is zero at first, stays where it is, and goes with the hash; NULL: no field ever had a time. */
#define HASH_OWNER_ROOM 40
void *hash_owner_room(const struct hash *hash);

bool hash_find(const struct hash *hash, struct slice name, struct hash_field *found);
/* Begins to look a field up ahead of time: packed_ahead_block and packed_ahead_record go on with it. false:
 * nothing is to be looked up ahead in a listpack. */
bool hash_ahead(const struct hash *hash, struct slice name, struct packed_ahead *ahead);

enum hash_status {
    HASH_ADDED,    /* it was not there */
    HASH_REPLACED, /* it was there */
    HASH_NO_MEMORY /* nothing has changed; for small ones the process ends instead */
};
/* Sets a field to a value, and its time: a moment, FIELD_NEVER or FIELD_KEEP_TIME. */
enum hash_status hash_set(struct hash *hash, struct slice name, struct slice value, int64_t expire_ms);
/* Deletes a field; whether it was there. */
bool hash_delete(struct hash *hash, struct slice name);
/* Sets or clears (FIELD_NEVER) the time of a field; whether the field is there. */
bool hash_set_time(struct hash *hash, struct slice name, int64_t expire_ms);

/* The earliest time of any field, INT64_MAX if none has one. O(1). */
int64_t hash_earliest_ms(const struct hash *hash);
/* A time that some field has: the latest of all, unless the field that had it was deleted or given
 * another, or some field has none; FIELD_NEVER: none is known. O(1). Whoever finds a later one may leave it
 * here. */
int64_t hash_late_ms(const struct hash *hash);
void hash_note_late(struct hash *hash, int64_t expire_ms);
/* A field with expire_ms <= now_ms; false when there is none. The caller deletes it or changes its time
 * before asking again. Takes a bounded time. */
bool hash_next_due(const struct hash *hash, int64_t now_ms, struct hash_field *due);
/* Fields with expire_ms <= now_ms; takes time in proportion to those alone. */
size_t hash_due_size(const struct hash *hash, int64_t now_ms);

/* Visits every field once, in as many pieces as the caller likes; the hash must not change in between.
 *
 *     struct hash_iterator iterator = {.hash = hash};
 *     while (hash_iterate(&iterator, &field)) */
struct hash_iterator {
    const struct hash *hash;
    size_t position; /* in the listpack */
    struct packed_iterator table;
};
bool hash_iterate(struct hash_iterator *iterator, struct hash_field *field);

/* One step of a scan: visits a few fields (all of a listpack) and returns the next cursor, 0 at the end. A
 * field that is there from the first step to the last is visited at least once, however the hash changes in
 * between. visit must not change the hash. */
uint64_t hash_scan(const struct hash *hash, uint64_t cursor, hash_visit *visit, void *context);

/* A field by chance, each of those that have not expired by now_ms as likely; false: there is no such. */
bool hash_random(const struct hash *hash, struct random *random, int64_t now_ms, struct hash_field *field);
/* The same again and again, as packed_draw. */
struct hash_draw {
    const struct hash *hash;
    struct random *random;
    int64_t now_ms;
    struct packed_draw table;
};
void hash_draw_begin(struct hash_draw *draw, const struct hash *hash, struct random *random, int64_t now_ms);
bool hash_draw_next(struct hash_draw *draw, struct hash_field *field);
void hash_draw_end(struct hash_draw *draw);
/* Visits count different ones of them, all choices as likely (in an order that is not by chance); all of them
 * if there are no more. */
void hash_random_distinct(const struct hash *hash, struct random *random, int64_t now_ms, size_t count,
                          hash_visit *visit, void *context);

/* So many fields will be there soon: makes room for them at once instead of step by step. 0: nothing is
 * expected any more. Does nothing for what stays small. */
void hash_expect(struct hash *hash, size_t fields);
/* Does a little of what was put off while tables were frozen; returns whether more is left. Changes do so by
 * themselves, too. */
bool hash_settle(struct hash *hash, int steps);

#endif
