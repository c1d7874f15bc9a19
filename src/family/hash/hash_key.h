/* Keys that hold hashes, as the files of this folder use them. Private to the folder.
 *
 * A field whose time has passed is still in its hash until its deletion is in the log. Commands that read
 * hide it, and show thereby that its time was reached (D9); commands that write delete those that they name
 * first. The stream hides nothing and expires nothing: what it does not delete is there. */
#ifndef DKV_FAMILY_HASH_KEY_H
#define DKV_FAMILY_HASH_KEY_H

#include "family/expire.h"
#include "store/value_hash.h"

/* --- reading ------------------------------------------------------------------------------------------- */

/* The key that argument 1 names is used as a hash; replies the error and returns false when it holds
 * something else. *entry is NULL when it is not there. */
bool call_read_hash(struct call *call, struct entry **entry);
/* Whether the field is hidden, which whoever asks must obey. */
bool call_hides_field(struct call *call, const struct hash_field *field);
/* Finds a field; false, too, where it is hidden, or there is no hash. */
bool call_find_field(struct call *call, const struct entry *entry, struct slice name,
                     struct hash_field *found);
/* Looks the fields that arguments name up ahead, so that their cache misses overlap: called with each
 * argument from first on, in steps, below end, it does so for some at a time. */
void call_fields_ahead(const struct call *call, const struct entry *entry, int argument, int first, int end,
                       int step);
/* Fields that are not hidden. */
size_t call_hash_size(struct call *call, const struct entry *entry);
/* What is now to the fields of hashes: INT64_MIN in the stream. */
int64_t call_fields_now(const struct call *call);

/* --- changing ------------------------------------------------------------------------------------------ */

/* What one command does to one hash, from looking it up to telling of it. */
struct hash_change {
    struct call *call;
    struct entry *entry; /* NULL: there is no hash (any more) */
    bool created;
};

/* Begins to change the hash that argument 1 names; as call_read_hash. */
bool hash_change_begin(struct hash_change *change, struct call *call);
/* Of the fields that the arguments first, first + step ... below end name, deletes those whose time has
 * passed, with effect and event. Before anything else is changed. */
void hash_change_expire(struct hash_change *change, int first, int end, int step);
/* Whether values of the arguments from first on find memory, so that setting them one after another will not
 * fail half-way; replies the error. */
bool hash_change_admit(struct call *call, int first);
/* Sets a field. false: no memory, which is replied, and nothing has changed. *found: it was there. */
bool hash_change_set(struct hash_change *change, struct slice name, struct slice value, int64_t expire_ms,
                     size_t more_bytes, bool *found);
/* Sets the fields that the arguments first, first + 2 ... below end name to the values behind them, for which
 * there is memory (hash_change_admit). Returns how many of them are new. */
int64_t hash_change_set_pairs(struct hash_change *change, int first, int end, int64_t expire_ms);
/* Deletes a field, and with the last one the hash; whether it was there. */
bool hash_change_delete(struct hash_change *change, struct slice name);
/* Something was changed: tells watchers and readers, and of the event; of the key's coming and going, too. */
void hash_change_end(struct hash_change *change, const char *event);
/* The same for "hset" and a second event, NULL: none. */
void hash_change_end_set(struct hash_change *change, const char *second_event);

/* The effect: a command with arguments, of which the first count are given and the rest are the call's from
 * index first to below end that picked tells (NULL: all), in steps. */
void effect_of_fields(struct call *call, int count, const struct slice *words, int first, int end, int step,
                      const bool *picked);

/* --- times of fields (hash_time.c) --------------------------------------------------------------------- */

/* What is told of a field that is not there. */
#define FIELD_ABSENT (-2)

/* As call_expire_time, for a field: the limits and errors are other ones. */
bool call_field_time(struct call *call, int index, unsigned form, int64_t *at_ms);
/* FIELDS at index, how many there are, and the fields, from *first to the last argument; replies the error,
 * number_error where the number is none. */
bool call_fields(struct call *call, int index, const char *number_error, int *first);
#define FIELDS_NUMBER_ERROR "ERR Number of fields must be a positive integer"
/* Whether a field that is given this time (or FIELD_NEVER) is to go at once. */
bool field_time_is_past(const struct call *call, int64_t at_ms);
/* Gives a field that is there this time, or FIELD_NEVER; deletes it if that is past. */
void hash_change_time(struct hash_change *change, struct slice name, int64_t at_ms);
/* The effect of that, for the arguments from first on that are picked, and its event. */
void effect_field_times(struct call *call, int first, const bool *picked, int64_t at_ms);
const char *field_time_event(const struct call *call, int64_t at_ms);

/* --- the commands, for the table ----------------------------------------------------------------------- */

/* hash.c */
void hset_command(struct call *call);
void hmset_command(struct call *call);
void hsetnx_command(struct call *call);
void hget_command(struct call *call);
void hmget_command(struct call *call);
void hlen_command(struct call *call);
void hstrlen_command(struct call *call);
void hexists_command(struct call *call);
void hdel_command(struct call *call);
/* hash_number.c */
void hincrby_command(struct call *call);
void hincrbyfloat_command(struct call *call);
/* hash_scan.c */
void hgetall_command(struct call *call);
void hkeys_command(struct call *call);
void hvals_command(struct call *call);
void hrandfield_command(struct call *call);
void hscan_command(struct call *call);
/* hash_time.c */
void hexpire_command(struct call *call);
void hpexpire_command(struct call *call);
void hexpireat_command(struct call *call);
void hpexpireat_command(struct call *call);
void hpersist_command(struct call *call);
void httl_command(struct call *call);
void hpttl_command(struct call *call);
void hexpiretime_command(struct call *call);
void hpexpiretime_command(struct call *call);
/* hash_timed.c */
void hgetdel_command(struct call *call);
void hgetex_command(struct call *call);
void hsetex_command(struct call *call);

#endif
