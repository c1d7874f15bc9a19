/* MONITOR: every command that runs, as a line, to those who asked for it. A command is shown when it has run,
 * so that its line waits for what it wrote as any other message does. */
#include <stdio.h>

#include "base/memory.h"
#include "command/dispatch.h"
#include "command/families.h"
#include "command/message/push.h"
#include "command/observe/latency.h"
#include "command/observe/observe.h"
#include "command/world.h"

/* A client's commands run for about so long before others have their turn: many times what a pipeline of
 * ordinary ones takes, and no more than a single slow one makes others wait anyway. */
#define TURN_US_MAX 5000

/* "[0 127.0.0.1:40000]", "[0 unix:/path/to/socket]". */
static void append_origin(struct buffer *line, const struct session *session)
{
    char peer[SESSION_PEER_MAX];
    session_peer(session, peer);
    size_t size = strlen(peer);
    /* The address of a unix socket's client ends in a port that is none. */
    if (session->is_unix && size > 2)
        size -= 2;
    buffer_append_format(line, "[%d %s%.*s]", session->database, session->is_unix ? "unix:" : "", (int)size,
                         peer);
}

static void monitor_feed(const struct call *call)
{
    struct world *world = call->world;
    struct buffer line = {0};
    int64_t now_us = world_time_us(world);
    buffer_append_format(&line, "+%lld.%06lld ", (long long)(now_us / 1000000),
                         (long long)(now_us % 1000000));
    append_origin(&line, call->session);
    for (int i = 0; i < call->argc; i++) {
        buffer_append_char(&line, ' ');
        buffer_append_quoted(&line, call_shown(call, i));
    }
    buffer_append(&line, "\r\n", 2);
    for (struct session *session = world->sessions; session; session = session->next)
        if (session->monitors)
            session_push(session, buffer_slice(&line));
    buffer_free(&line);
}

static void slow_feed(struct call *call, uint64_t ticks)
{
    struct world *world = call->world;
    const struct world_settings *settings = &world->settings;
    int64_t duration_us = (int64_t)world_ticks_to_us(world, ticks);
    unsigned flags = call->command->row->flags;
    if (settings->slowlog_us >= 0 && duration_us >= settings->slowlog_us && !(flags & CMD_SKIP_SLOWLOG))
        slowlog_add(call, duration_us);
    world_latency(world, flags & CMD_FAST ? "fast-command" : "command", duration_us);
}

void observe_call(struct call *call, uint64_t ticks)
{
    const struct world *world = call->world;
    if (ticks >= world->slow_ticks)
        slow_feed(call, ticks);
    if (world->monitor_count > 0 && !(call->command->row->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)))
        monitor_feed(call);
}

void observe_update(struct world *world)
{
    const struct world_settings *settings = &world->settings;
    int64_t least_us = INT64_MAX;
    if (settings->slowlog_us >= 0)
        least_us = settings->slowlog_us;
    if (settings->latency_us > 0 && settings->latency_us < least_us)
        least_us = settings->latency_us;
    world->slow_ticks = least_us == INT64_MAX ? UINT64_MAX : world_us_to_ticks(world, (uint64_t)least_us);
    world->turn_ticks_max = world_us_to_ticks(world, TURN_US_MAX);
}

void session_monitor_end(struct session *session)
{
    if (session->monitors)
        session->world->monitor_count--;
    session->monitors = false;
}

static void monitor_command(struct call *call)
{
    struct session *session = call->session;
    if (!call->origin->may_block) {
        reply_error(call->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    /* Who asks again gets no second answer, as in Redis. */
    if (session->monitors)
        return;
    session->monitors = true;
    call->world->monitor_count++;
    reply_ok(call->reply);
}

const struct command monitor_commands[] = {
    {.name = "monitor",
     .arity = 1,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
     .function = monitor_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Shows every command that the server runs, as it runs."},
};
const size_t monitor_command_count = sizeof(monitor_commands) / sizeof(monitor_commands[0]);
