/* SLOWLOG: the last commands that took longer than slowlog-log-slower-than, with their arguments cut short.
 */
#include <stdio.h>

#include "base/memory.h"
#include "command/args.h"
#include "command/families.h"
#include "command/observe/observe.h"

/* What is kept of a command, as in Redis. */
#define ARGUMENTS_MAX     32
#define ARGUMENT_SIZE_MAX 128
#define TEXT_MAX          64 /* "... (<number> more arguments)" */

#define GET_DEFAULT 10

struct slow_entry {
    struct list_node node; /* newest first */
    int64_t id;
    int64_t time_s;
    int64_t duration_us;
    char peer[SESSION_PEER_MAX];
    char *name; /* the client's; NULL: none */
    int argc;
    struct buffer argv[];
};

struct slowlog {
    struct list entries;
    int64_t count;
    int64_t next_id;
};

struct slowlog *slowlog_new(void)
{
    struct slowlog *slowlog = mem_alloc_zero(sizeof(*slowlog));
    list_init(&slowlog->entries);
    return slowlog;
}

static void entry_free(struct slow_entry *entry)
{
    for (int i = 0; i < entry->argc; i++)
        buffer_free(&entry->argv[i]);
    mem_free(entry->name);
    mem_free(entry);
}

static void trim(struct slowlog *slowlog, int64_t count_max)
{
    while (slowlog->count > count_max) {
        struct list_node *oldest = slowlog->entries.head.next;
        list_remove(oldest);
        entry_free(LIST_OWNER(oldest, struct slow_entry, node));
        slowlog->count--;
    }
}

void slowlog_free(struct slowlog *slowlog)
{
    trim(slowlog, 0);
    mem_free(slowlog);
}

/* An argument, or as much of it as is kept. */
static void keep_argument(struct buffer *kept, struct slice argument)
{
    bool whole = argument.size <= ARGUMENT_SIZE_MAX;
    buffer_append(kept, argument.data, whole ? argument.size : ARGUMENT_SIZE_MAX);
    if (!whole)
        buffer_append_format(kept, "... (%zu more bytes)", argument.size - ARGUMENT_SIZE_MAX);
}

void slowlog_add(struct call *call, int64_t duration_us)
{
    struct slowlog *slowlog = call->world->slowlog;
    bool whole = call->argc <= ARGUMENTS_MAX;
    int argc = whole ? call->argc : ARGUMENTS_MAX;
    struct slow_entry *entry = mem_alloc_zero(sizeof(*entry) + (size_t)argc * sizeof(struct buffer));
    entry->id = slowlog->next_id++;
    entry->time_s = call->world->now_ms / 1000;
    entry->duration_us = duration_us;
    session_peer(call->session, entry->peer);
    if (call->session->name)
        entry->name = slice_to_cstring(
            slice_make(call->session->name, strnlen(call->session->name, ARGUMENT_SIZE_MAX)));
    entry->argc = argc;
    for (int i = 0; i < argc; i++)
        if (whole || i < argc - 1)
            keep_argument(&entry->argv[i], call_shown(call, i));
    if (!whole)
        buffer_append_format(&entry->argv[argc - 1], "... (%d more arguments)", call->argc - argc + 1);
    list_append(&slowlog->entries, &entry->node);
    slowlog->count++;
    trim(slowlog, call->world->settings.slowlog_count);
}

int64_t slowlog_next_id(const struct slowlog *slowlog)
{
    return slowlog->next_id;
}

void slowlog_each(const struct slowlog *slowlog, slowlog_visit *visit, void *context)
{
    struct list_node *node = slowlog->entries.head.previous;
    for (int64_t left = slowlog->count; left > 0; left--, node = node->previous) {
        const struct slow_entry *entry = LIST_OWNER(node, struct slow_entry, node);
        struct slow_command command = {.id = entry->id,
                                       .time_s = entry->time_s,
                                       .duration_us = entry->duration_us,
                                       .peer = entry->peer,
                                       .client = entry->name ? entry->name : "",
                                       .argc = entry->argc,
                                       .argv = entry->argv};
        if (!visit(context, &command))
            return;
    }
}

/* --- SLOWLOG ------------------------------------------------------------------------------------------- */

static void reply_entry(struct reply *reply, const struct slow_entry *entry)
{
    reply_array(reply, 6);
    reply_int(reply, entry->id);
    reply_int(reply, entry->time_s);
    reply_int(reply, entry->duration_us);
    reply_array(reply, entry->argc);
    for (int i = 0; i < entry->argc; i++)
        reply_bulk(reply, buffer_slice(&entry->argv[i]));
    reply_bulk_text(reply, entry->peer);
    reply_bulk_text(reply, entry->name ? entry->name : "");
}

static void get_command(struct call *call)
{
    const struct slowlog *slowlog = call->world->slowlog;
    int64_t count = GET_DEFAULT;
    if (call->argc > 3) {
        call_subcommand_error(call);
        return;
    }
    if (call->argc == 3 &&
        !call_int_range(call, 2, -1, INT64_MAX, &count, "ERR count should be greater than or equal to -1"))
        return;
    if (count < 0 || count > slowlog->count)
        count = slowlog->count;
    reply_array(call->reply, count);
    struct list_node *node = slowlog->entries.head.previous;
    for (; count > 0; count--, node = node->previous)
        reply_entry(call->reply, LIST_OWNER(node, struct slow_entry, node));
}

static void len_command(struct call *call)
{
    reply_int(call->reply, call->world->slowlog->count);
}

static void reset_command(struct call *call)
{
    trim(call->world->slowlog, 0);
    reply_ok(call->reply);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return the newest <count> entries (default: 10, -1 means all): id, time,",
        "    duration in microseconds, arguments, the client's address and name.",
        "LEN",
        "    Return how many entries there are.",
        "RESET",
        "    Delete all entries.",
        NULL};
    call_help(call, lines);
}

#define WATCHING (CMD_ADMIN | CMD_LOADING | CMD_STALE)

static const struct command slowlog_subcommands[] = {
    {.name = "get",
     .arity = -2,
     .flags = WATCHING,
     .traits = TRAIT_READS_ALL,
     .function = get_command,
     .arguments = "[count#integer]",
     .group = "server",
     .since = "2.2.12",
     .history = "4.0.0 Tells the client's address and name.",
     .complexity = "O(N) where N is the number of entries returned",
     .summary = "Returns the slow log's entries.",
     .tips = (const char *const[]){"request_policy:all_nodes", "nondeterministic_output", NULL}},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "server",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "len",
     .arity = 2,
     .flags = WATCHING,
     .function = len_command,
     .group = "server",
     .since = "2.2.12",
     .complexity = "O(1)",
     .summary = "Returns the number of entries in the slow log.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:agg_sum",
                                   "nondeterministic_output", NULL}},
    {.name = "reset",
     .arity = 2,
     .flags = WATCHING,
     .function = reset_command,
     .group = "server",
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries in the slow log",
     .summary = "Deletes all entries of the slow log.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
};

const struct command slowlog_commands[] = {
    {.name = "slowlog",
     .arity = -2,
     .group = "server",
     .since = "2.2.12",
     .complexity = "Depends on subcommand.",
     .summary = "A container for slow log commands.",
     .subcommands = slowlog_subcommands,
     .subcommand_count = sizeof(slowlog_subcommands) / sizeof(slowlog_subcommands[0])},
};
const size_t slowlog_command_count = sizeof(slowlog_commands) / sizeof(slowlog_commands[0]);
