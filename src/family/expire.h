/* Times to live as several families give and take them. Private to the command families. */
#ifndef DKV_FAMILY_EXPIRE_H
#define DKV_FAMILY_EXPIRE_H

#include "command/call.h"

/* How an argument tells a time. None of these: milliseconds from now, of any sign. */
enum expire_form {
    EXPIRE_IN_SECONDS = 1 << 0,
    EXPIRE_ABSOLUTE = 1 << 1, /* since 1970-01-01 UTC */
    EXPIRE_POSITIVE = 1 << 2  /* zero and less are refused */
};

/* Reads the time that argument index tells into milliseconds since 1970-01-01 UTC. Replies the error and
 * returns false when it is no integer, or not one that can be a time. */
bool call_expire_time(struct call *call, int index, unsigned form, int64_t *at_ms);

/* Gives a live key of the session's database this time to live, with its effect; a time that has passed
 * already deletes the key. */
void call_set_expire(struct call *call, struct slice key, uint64_t hash, struct entry *entry, int64_t at_ms);

/* Takes a key's time to live away, with its effect; returns whether it had one. */
bool call_persist(struct call *call, struct slice key, uint64_t hash, struct entry *entry);

/* Deletes a key that is there in the session's database, with its effect. */
void call_delete(struct call *call, struct slice key, uint64_t hash);

#endif
