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
/* At least as many bytes as the effects of a command that writes can take in the journal; *value_bytes: in
 * files of large values. */
uint64_t effect_size_max(const struct world *world, const struct command *command, int argc,
                         const struct slice *argv, uint64_t *value_bytes);
/* As effect_command. blobs[i] not NULL: it holds the bytes of argument i, the value of the key that argument
 * i - 1 names, which go to a file of their own. */
void effect_values(struct call *call, int database, int argc, const struct slice *argv,
                   struct blob *const *blobs);
/* Ends the unit that the effects since the last end make up; returns whether there were any. Several commands
 * are wrapped in MULTI and EXEC. */
bool effect_unit_end(struct world *world);
/* After a command that hid keys: what has to be acknowledged before its reply goes, so that they stay hidden.
 * Outside of a unit. */
lsn_t effect_of_hiding(struct world *world);
/* Puts the time of this round on record, if the log has room. Outside of a unit. */
void effect_time(struct world *world);
/* Deletes an entry whose time has passed, outside any command, as a unit of its own. False when the journal
 * cannot take it now: nothing is done then. */
bool world_expire(struct world *world, int database, struct entry *entry);
/* The same for one that is evicted; *freed: the memory that its deletion gave back. */
bool world_evict_entry(struct world *world, int database, struct entry *entry, size_t *freed);

#endif
