/* Changes and their effects: which keys changed, and the commands that repeat what was done, as units of the
 * stream. */
#ifndef DKV_COMMAND_EFFECT_H
#define DKV_COMMAND_EFFECT_H

#include "base/number.h"
#include "command/call.h"

/* A key of the session's database (or of another) was changed, created or deleted: fails its watchers, and
 * makes readers wait until it is durable. Call it for every key, before or after the change, once an effect
 * is certain. */
void call_changed(struct call *call, struct slice key, uint64_t hash);
void call_changed_in(struct call *call, int database, struct slice key, uint64_t hash);
/* A whole database is emptied or replaced: the same for all its keys. Fails the watchers of keys that are
 * there at the moment of the call, so call it before emptying or replacing. */
void call_changed_all(struct call *call, int database);
/* Call it after replacing: fails the watchers of keys that have come. */
void call_came_all(struct call *call, int database);

/* The command as it was given repeats its effect: it depends on no clock, no chance and no floating point. */
void effect_verbatim(struct call *call);
/* Whether an effect of this command has room, for one that is no write by its flags and may do without. */
bool effect_admit(struct call *call);
/* Another command does. database: the one it assumes selected. */
void effect_command(struct call *call, int database, int argc, const struct slice *argv);
/* SET key value [PXAT at] for whatever the entry now holds: for commands whose result is a whole string. */
void effect_set(struct call *call, int database, const struct entry *entry);
/* The words of that SET: fills in argv, which lives as long as the entry and what scratch and digits hold,
 * and returns how many they are. */
int entry_set_command(const struct entry *entry, char scratch[STRING_SCRATCH], char digits[INT64_TEXT_MAX],
                      struct slice argv[5]);
void effect_delete(struct call *call, int database, struct slice key);

/* --- bounds -----------------------------------------------------------------------------------------------
 *
 * Nothing is executed that the journal has not admitted, so a command's bound is known before it changes
 * anything. Mostly it follows from its arguments; a row whose effects may be larger, by what the command
 * finds, has a function that looks (SPOP tells each element that it took).
 *
 * EXEC runs only when the journal has admitted the bounds of all queued commands, those that look asked at
 * that moment: on a full disk the transaction is refused as a whole, before its first command. What such a
 * command finds may be another by the time it runs, because of those before it. So where one looks, twice the
 * sum is admitted: whatever the transaction's own arguments add can be told once more. And it is asked again
 * before it runs. If it needs more than is left, having kept the share of those behind it, the journal is
 * asked for that; where there is no room, this command alone is refused, as one that replies an error. */

/* What a row's function looks at: the command as it would run now. It changes nothing, times of last use
 * included, and may look at keys whose time has passed. */
struct effect_view {
    const struct world *world;
    int database;
    int argc;
    const struct slice *argv;
};

/* The entry that an argument names, NULL when there is none. */
struct entry *effect_view_find(const struct effect_view *view, int index);
/* Adds one argument of an effect, of so many bytes, or several of so many together. is_value: it becomes a
 * value as it is, and may go to a file of its own. */
void effect_bound_add(struct effect_bound *bound, const struct world *world, size_t size, bool is_value);
void effect_bound_add_many(struct effect_bound *bound, uint64_t count, uint64_t size);
/* No sum wraps. */
void effect_bound_sum(struct effect_bound *bound, const struct effect_bound *other);
/* Of a command that writes, run now in this database. */
struct effect_bound effect_bound_of(const struct world *world, int database, const struct command *command,
                                    int argc, const struct slice *argv);
/* Of all that EXEC would run now; kept with each queued command. */
struct effect_bound effect_bound_of_queue(struct session *session);
/* Whether a queued command, which is about to run, has room by what it finds now. Its share of
 * session->queue_bound is given back already. */
bool effect_bound_is_admitted(struct session *session, const struct queued_command *queued);

/* As effect_command. blobs[i] not NULL: it holds the bytes of argument i, the value of the key that argument
 * i - 1 names, which go to a file of their own. */
void effect_values(struct call *call, int database, int argc, const struct slice *argv,
                   struct blob *const *blobs);
/* Ends the unit that the effects since the last end make up; returns whether there were any. Several commands
 * are wrapped in MULTI and EXEC. */
bool effect_unit_end(struct world *world);
/* Bytes of the unit so far. */
uint64_t effect_unit_size(const struct world *world);
/* At most what the deletion of a key of so many bytes takes as a unit. */
uint64_t effect_delete_size_max(size_t key_size);
/* After a command that hid keys: what has to be acknowledged before its reply goes, so that they stay hidden.
 * Outside of a unit. */
lsn_t effect_of_hiding(struct world *world);
/* Puts the time of this round on record, if the log has room. Outside of a unit. */
void effect_time(struct world *world);
/* Deletes an entry whose time has passed, outside any command, as a unit of its own. False when the journal
 * cannot take it now: nothing is done then. */
bool world_expire(struct world *world, int database, struct entry *entry);
/* The same for fields of a hash that database_next_due_parts found: a batch of those that are due, or the
 * whole hash when all are. *budget is decreased by those that were deleted. */
bool world_expire_fields(struct world *world, int database, struct entry *entry, int *budget);
/* The same for one that is evicted; *freed: the memory that its deletion gave back. */
bool world_evict_entry(struct world *world, int database, struct entry *entry, size_t *freed);

#endif
