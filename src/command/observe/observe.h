/* Watching commands as they run: MONITOR, SLOWLOG, and the events of LATENCY that are commands. What a
 * command may cost for all of them together is one comparison and one test of a word. */
#ifndef DKV_COMMAND_OBSERVE_H
#define DKV_COMMAND_OBSERVE_H

#include "command/call.h"

struct slowlog;

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *slowlog);
/* Keeps a command that took long, as the settings have it. */
void slowlog_add(struct call *call, int64_t duration_us);

/* The number that the next one will have. */
int64_t slowlog_next_id(const struct slowlog *slowlog);

/* One that was kept; its bytes are the log's. */
struct slow_command {
    int64_t id;
    int64_t time_s; /* wall clock */
    int64_t duration_us;
    const char *peer;
    const char *client; /* its name; "" for none */
    int argc;
    const struct buffer *argv;
};
/* Visits those that are kept, newest first, until visit returns false. */
typedef bool slowlog_visit(void *context, const struct slow_command *command);
void slowlog_each(const struct slowlog *slowlog, slowlog_visit *visit, void *context);

/* A command has run and took so many ticks; somebody may be interested. Use observe. */
void observe_call(struct call *call, uint64_t ticks);

static inline void observe(struct call *call, uint64_t ticks)
{
    if (__builtin_expect(ticks >= call->world->slow_ticks || call->world->monitor_count > 0, 0))
        observe_call(call, ticks);
}

/* Sets world->slow_ticks from the settings and the rate of the tick counter as it is known by now, and
 * turn_ticks_max from that rate. Call after a change of settings, and now and then. */
void observe_update(struct world *world);

/* The session sees commands no more. */
void session_monitor_end(struct session *session);

#endif
