/* Waiting: sessions whose command has no answer yet. The command's function says what it waits for
 * (call_block_*) instead of replying; its request is kept, and is run again, as any other command is, when
 * that has come or the time is up. So what a blocked pop takes is a unit of the stream like any, and its
 * reply waits for that unit (D2).
 *
 * Who waits costs nothing while he has no reason to wake: keys lead to their waiters through an index,
 * deadlines and positions in the log lie in heaps. Waiters of one key are served in the order in which they
 * came. */
#ifndef DKV_COMMAND_BLOCK_H
#define DKV_COMMAND_BLOCK_H

#include "base/heap.h"
#include "command/call.h"

/* What a command may wait for. */
enum block_reason {
    BLOCK_ON_KEYS,
    BLOCK_ON_LSN,  /* until the log is durable to there */
    BLOCK_ON_TIME, /* for the deadline alone */
    BLOCK_ON_EVENT /* until block_wake_events; it cannot be unblocked */
};

/* All who wait, of a world. */
struct blocks *blocks_new(void);
void blocks_free(struct blocks *blocks);

/* --- for commands -------------------------------------------------------------------------------------- */

/* In milliseconds of the steady clock; 0: none. A session that was resumed and waits again keeps the deadline
 * and the place in line that it has, whatever is given. */

/* Where call->origin->may_block is not set (a transaction, HTTP), a command that would wait has to answer as
 * if its time were up at once. */
/* Waits until a key that one of these arguments names holds a value of this type, or, if deleted_too, holds
 * none any more. */
void call_block_on_keys(struct call *call, const int *indexes, int count, enum value_type type,
                        bool deleted_too, int64_t deadline_ms);
void call_block_on_lsn(struct call *call, lsn_t lsn, int64_t deadline_ms);
void call_block_on_time(struct call *call, int64_t deadline_ms);
void call_block_on_event(struct call *call);

/* --- for the machine ----------------------------------------------------------------------------------- */

/* The command that has just run waits: keeps its request. */
void block_keep(struct session *session, struct command_entry *entry, const struct request *request);
/* Its reply is not wanted (CLIENT REPLY). */
void block_set_silent(struct session *session, bool is_silent);
/* The session waits no more, whatever for. Its request is dropped. */
void block_end(struct session *session);

/* A key was changed, or will have been when the unit ends. */
void block_note_key(struct world *world, int database, struct slice key, uint64_t hash);
/* Other contents have come into a database. */
void block_note_database(struct world *world, int database);
/* Whether there is anything for block_serve. */
bool block_is_due(const struct world *world);
/* Runs the commands of those who wait for keys that have been noted, as far as these hold something for them.
 * Between units only. */
void block_serve(struct world *world);
/* Once a round of the loop: who waits for a time or for the log, and keys that were left over. */
void block_round(struct world *world);
/* The next deadline: a round is wanted by then. INT64_MAX: none. */
int64_t block_next_deadline_ms(const struct world *world);
/* What somebody waits for as an event may have come: each looks for himself. */
void block_wake_events(struct world *world);

/* CLIENT UNBLOCK: its time is up, or (error) it is told so, within this round. False: it does not wait, or
 * cannot be woken. */
bool block_break(struct session *session, bool error);

/* Bytes that a waiting session takes. */
size_t block_memory(const struct session *session);

#endif
