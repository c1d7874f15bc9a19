/* The keyspace: numbered databases of keys with typed values and times to live. Memory only; one thread.
 *
 * Time is an argument everywhere: nothing in here expires by itself. An entry whose time has passed stays
 * findable until its owner deletes it, because that deletion is a change that must reach the log.
 *
 * An entry pointer is valid until the next call that may change the same key (functions that change an entry
 * return its new address). Slices into an entry are valid as long. */
#ifndef DKV_STORE_STORE_H
#define DKV_STORE_STORE_H

#include "base/blob.h"

struct store;
struct database;
struct entry;

/* Milliseconds since 1970-01-01 UTC; EXPIRE_NEVER: no time to live. */
#define EXPIRE_NEVER INT64_C(-1)
/* Bytes in a key at the most: what an argument may have by default. */
#define KEY_SIZE_MAX (UINT64_C(1) << 32)

/* What TYPE answers. New types take the next number and a set of value_operations (entry.h), their name among
 * them. */
enum value_type { VALUE_STRING, VALUE_HASH, VALUE_TYPE_COUNT };

/* How a string is kept, as OBJECT ENCODING tells it. */
enum string_encoding { STRING_INT, STRING_EMBSTR, STRING_RAW };

struct store_options {
    int databases;      /* 1 or more */
    uint64_t hash_seed; /* secret, so that clients cannot choose colliding keys */
    uint64_t random_seed;
};

struct store *store_new(const struct store_options *options);
void store_free(struct store *store);
int store_database_count(const struct store *store);
/* Keys in all databases. */
uint64_t store_size(const struct store *store);
struct database *store_database(struct store *store, int index);
/* Exchanges the contents of two databases: whoever uses index a now sees what was in b. Pointers from
 * store_database stay what they are: index a's struct database now holds b's contents. */
void store_swap(struct store *store, int a, int b);
/* While frozen, tables neither grow, shrink nor move: for the time in which a forked child shares the pages.
 * Correct all the same, with longer chains; the work is caught up in small steps afterwards. */
void store_freeze_tables(struct store *store, bool frozen);
/* Bytes that tables and expiry wheels take, all databases: memory that is not entries. */
size_t store_overhead(const struct store *store);

/* What is remembered of an entry's use, in 24 bits: when it was last used, or how often. A change leaves the
 * bits that entries have as they are; they are read in the new way until the entries are used again. */
struct use_settings {
    bool frequency;        /* otherwise the time of last use */
    int64_t log_factor;    /* how slowly frequencies grow */
    int64_t decay_minutes; /* without use, after which a frequency is one less; 0: never */
};
void store_set_use(struct store *store, const struct use_settings *settings);
/* The wall clock, for times of use. */
void store_set_time(struct store *store, int64_t now_ms);
/* Whether database_random_volatile is wanted: it needs a second table, of the keys with a time to live.
 * Turning it on takes time in proportion to those. */
void store_index_volatile(struct store *store, bool on);

/* Who frees beside the loop: takes what remains.h is about, from any function that deletes or replaces a
 * value whose freeing would take long, and database_clear. NULL, as at first: all is freed at once. */
struct remains;
typedef void store_free_later(void *context, struct remains *remains);
void store_set_free_later(struct store *store, store_free_later *function, void *context);

/* The hash under which a key is kept and with which the functions below want it. */
uint64_t store_hash(const struct store *store, struct slice key);

/* --- one database --- */

size_t database_size(const struct database *db);
/* Of these: that hold a value of this type. Kept up to date, O(1). */
size_t database_type_size(const struct database *db, enum value_type type);
/* Bytes of all keys and values, without any overhead: about what writing them out takes (an integer counts as
 * 8 bytes). Kept up to date, O(1). */
size_t database_payload(const struct database *db);
/* Bytes that its table takes, and what keeps track of times to live, of keys and of parts of values: memory
 * that is not entries. */
size_t database_table_memory(const struct database *db);
size_t database_expiry_memory(const struct database *db);
/* Keys with a time to live, and an estimate of the mean time left in ms (0 when there is none). */
size_t database_volatile_size(const struct database *db);
int64_t database_mean_ttl_ms(const struct database *db, int64_t now_ms);

/* Two steps that hide memory latency: first the bucket, later (when that has arrived) the entry in it. The
 * second returns an entry of this hash's eight highest bits, most likely the one, NULL if there is none: for
 * looking ahead further (value_hash.h), not for more. */
void database_prefetch_bucket(const struct database *db, uint64_t hash);
const struct entry *database_prefetch_entry(const struct database *db, uint64_t hash);

/* The entry, whether or not its time has passed; NULL when there is none. */
struct entry *database_find(struct database *db, struct slice key, uint64_t hash);
/* Removes and frees. Returns whether the key was there. */
bool database_delete(struct database *db, struct slice key, uint64_t hash);
/* Moves an entry to another database, or to another key (to_key may be the same), with value, type and time
 * to live. Whatever was under to_key is replaced, also where the slice lies in that entry or in this one. No
 * copy of a large value is made. The process ends when there is no memory for the key. */
void database_move_entry(struct database *from, struct entry *entry, struct database *to,
                         struct slice to_key);
/* A copy of the value, type and time to live under another key, which must not be there. The copy of a string
 * of BLOB_MIN bytes or more shares its bytes. NULL, and nothing done, when there is not enough memory for a
 * large value or key. */
struct entry *database_copy_entry(struct database *from, struct entry *entry, struct database *to,
                                  struct slice to_key);

/* Sets or clears (EXPIRE_NEVER) the time to live, which may lie in the past; returns the entry's new address.
 */
struct entry *database_set_expire(struct database *db, struct entry *entry, int64_t expire_ms);

/* A random entry, about uniformly; NULL when empty. */
struct entry *database_random(struct database *db);
/* The same of those with a time to live, while store_index_volatile is on. */
struct entry *database_random_volatile(struct database *db);
/* The entry whose time to live ends first, but for a few that end nearly as early; NULL when there is none.
 */
struct entry *database_soonest(struct database *db);
/* An entry by the hash of its key alone, NULL when there is none. */
struct entry *database_find_hash(struct database *db, uint64_t hash);

/* One step of a scan: calls visit for the entries of a small group of buckets and returns the next cursor, 0
 * at the end. visit must not change the database. Every entry that is there from the first step to the last
 * is visited at least once, however the table grows and shrinks in between (reverse-binary cursors, after
 * Pieter Noordhuis). */
typedef void database_visit(void *context, struct entry *entry);
uint64_t database_scan(struct database *db, uint64_t cursor, database_visit *visit, void *context);
/* Every entry once; visit must not change the database. */
void database_each(struct database *db, database_visit *visit, void *context);

/* The next entry whose time has passed, NULL when none is due or when *budget (steps of work, decreased by
 * what was done) is used up. The caller deletes it, or changes its time to live, before asking again. Never
 * early; up to 16 ms late, or a second where the clock was set back by less than that. */
struct entry *database_next_expired(struct database *db, int64_t now_ms, int *budget);

/* Before this time database_next_expired finds nothing to do, unless times to live change; INT64_MAX: never.
 */
int64_t database_expiry_due_ms(const struct database *db);
/* False: there is no entry, and no part of one, whose time has passed. */
bool database_may_have_expired(const struct database *db, int64_t now_ms);
/* At multiples of so many milliseconds, database_next_expired overlooks no entry whose time has passed. */
#define EXPIRY_TICK_MS 16

/* A little work that was put off: growing and shrinking after a freeze, the last memory of a database that
 * became empty. Returns whether more is left. */
bool database_step(struct database *db, int steps);

/* So many keys will be there soon: makes room for them at once instead of step by step, which saves looking
 * at the keys again and again. 0: nothing is expected any more; room that is left over is given back by
 * database_step. */
void database_expect(struct database *db, size_t keys);

/* Deletes all keys, in O(1) where somebody frees beside the loop, unless it is to be done at once. */
void database_clear(struct database *db, bool at_once);
/* Takes the whole contents away in O(1), leaving the database empty; what was taken is freed by
 * contents_free, which may run on any thread that called memory_thread_register. */
struct database_contents;
struct database_contents *database_take(struct database *db);
void contents_free(struct database_contents *contents);
size_t contents_size(const struct database_contents *contents);

/* --- entries --- */

struct slice entry_key(const struct entry *entry);
enum value_type entry_type(const struct entry *entry);
const char *value_type_name(enum value_type type);
/* What OBJECT ENCODING answers. */
const char *entry_encoding_name(const struct entry *entry);
/* Elements of a collection, 1 for a string. */
size_t entry_element_count(const struct entry *entry);
int64_t entry_expire_ms(const struct entry *entry);
/* Whether it, or a part of it, has a time to live: what most entries have not is found out with one look. */
bool entry_is_volatile(const struct entry *entry);

static inline bool expire_has_passed(int64_t expire_ms, int64_t now_ms)
{
    return expire_ms != EXPIRE_NEVER && expire_ms <= now_ms;
}

/* Bytes it takes in all, with its share of nothing else. */
size_t entry_memory(const struct entry *entry);
/* The entry is used now. New entries and those whose value is set or written count as used; moving and
 * copying keeps what is remembered. */
void database_touch(struct database *db, struct entry *entry);
/* For how long it has not been used, in steps of a second, as far as that is remembered (194 days). */
int64_t entry_idle_ms(const struct entry *entry, int64_t now_ms);
void entry_set_idle_ms(struct entry *entry, int64_t now_ms, int64_t idle_ms);
/* How often it is used lately, on a logarithmic scale of 0 to USE_FREQUENCY_MAX, where frequency is
 * remembered. */
#define USE_FREQUENCY_MAX 255
int database_frequency(const struct database *db, const struct entry *entry);
void database_set_frequency(struct database *db, struct entry *entry, int frequency);

/* --- strings --- */

/* Room that string_value needs for an integer's digits. */
#define STRING_SCRATCH 24

/* The value's bytes: in the entry, or in scratch for a value kept as an integer. */
struct slice string_value(const struct entry *entry, char scratch[STRING_SCRATCH]);
size_t string_size(const struct entry *entry);
/* The blob in which a string of BLOB_MIN bytes or more is kept, NULL for any other value. Whoever takes a
 * reference keeps these bytes, whatever becomes of the key: a value that is shared is copied before it is
 * changed in place. */
struct blob *entry_blob(const struct entry *entry);
/* Whether the value is kept as an integer, and which. */
bool string_int(const struct entry *entry, int64_t *value);
enum string_encoding string_encoding(const struct entry *entry);

/* How database_set_string keeps the bytes. */
enum string_form {
    STRING_FORM_BEST,  /* as an integer where the text is one, as SET does */
    STRING_FORM_BYTES, /* never as an integer, as INCRBYFLOAT does */
    STRING_FORM_RAW    /* as bytes that were changed in place: OBJECT ENCODING says raw */
};

/* Inserts or replaces (a value of any type), with this time to live. Returns the entry. The slices may lie in
 * any entry, also in the one that is replaced; they are not valid afterwards then. NULL, and nothing changed,
 * when there is not enough memory for a large value or key (from 1 KiB and 64 KiB on; when there is not
 * enough for a small one, the process ends). database_set_int: for a large key. */
struct entry *database_set_string(struct database *db, struct slice key, uint64_t hash, struct slice value,
                                  enum string_form form, int64_t expire_ms);
struct entry *database_set_int(struct database *db, struct slice key, uint64_t hash, int64_t value,
                               int64_t expire_ms);
/* The same with the bytes of a blob, of which the entry takes a reference instead of a copy; one that is
 * smaller than BLOB_MIN is copied. */
struct entry *database_set_blob(struct database *db, struct slice key, uint64_t hash, struct blob *blob,
                                enum string_form form, int64_t expire_ms);
/* Changes a string in place, keeping its time to live: writes value at offset, filling with zero bytes in
 * between. offset == string_size appends, in amortised constant time a byte. The value must not lie in this
 * entry. Returns the entry's new address, NULL (nothing changed) when there is not enough memory. */
struct entry *database_write_string(struct database *db, struct entry *entry, size_t offset,
                                    struct slice value);

#endif
