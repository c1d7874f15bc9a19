/* WATCH: which sessions want to know when a key changes. Free while nobody watches. */
#ifndef DKV_COMMAND_WATCH_H
#define DKV_COMMAND_WATCH_H

#include "command/call.h"

struct watch_table *watch_table_new(void);
void watch_table_free(struct watch_table *table);
size_t watch_table_count(const struct watch_table *table);

/* What watching a key adds to session->watch_bytes. */
size_t watch_memory(struct slice key);
/* session watches a key of a database. had_expired: it is there but its time has passed already. */
void watch_add(struct watch_table *table, struct session *session, int database, struct slice key,
               uint64_t hash, bool had_expired);
void watch_remove_all(struct watch_table *table, struct session *session);
/* The key was changed: fails the transactions of those who watch it. expired: it was only removed because its
 * time had passed, which is no change to those who began to watch it after that. */
void watch_touch(struct watch_table *table, int database, struct slice key, uint64_t hash, bool expired);
/* The same for all watched keys of a database that are in it and will go. */
void watch_touch_present(struct watch_table *table, struct world *world, int database);
/* The same for those that have come in the place of what was there, which watch_touch_present was told of. */
void watch_touch_came(struct watch_table *table, struct world *world, int database);
/* Whether a key that session watches has expired since, though nobody deleted it yet. */
bool watch_any_expired(struct world *world, const struct session *session);

#endif
