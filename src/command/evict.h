/* maxmemory: making room by deleting keys, as the policy says, and refusing what needs more memory when there
 * is none to be made. */
#ifndef DKV_COMMAND_EVICT_H
#define DKV_COMMAND_EVICT_H

#include "command/call.h"

/* Of world->evictor. */
struct evictor *evictor_new(void);
void evictor_free(struct evictor *evictor);

enum evict_result {
    EVICT_OK,    /* memory is within its limit */
    EVICT_LATER, /* it is not, and more can be done at once, by evict_step */
    EVICT_WAIT,  /* it is not, and more can be done when the journal takes more, or freed memory is back */
    EVICT_FAILED /* it is not, and there is nothing to evict */
};

/* Deletes keys until memory is within maxmemory, each a unit of the stream of its own, for as long as
 * maxmemory-eviction-tenacity allows. Between units only. */
enum evict_result world_evict(struct world *world);
/* Goes on with what was left. */
enum evict_result evict_step(struct world *world);
/* Whether a command may run or be queued, as far as memory goes; makes room first. */
bool evict_admits(struct world *world, const struct session *session, const struct command *command);

/* Bytes that count against maxmemory: all that is allocated but for what waits to be written to the log,
 * and what is being freed beside the loop: evicting more for it would empty the databases. */
size_t evict_memory(const struct world *world);
/* What evict_memory leaves out. */
size_t evict_memory_not_counted(const struct world *world);
/* For how long memory has been above its limit, in all and since it last went above (0: it is not). */
void evict_exceeded_us(const struct world *world, int64_t *total_us, int64_t *current_us);

bool evict_policy_is_lfu(enum evict_policy policy);

#endif
