#include "command/observe/latency.h"

#include <math.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/dispatch.h"
#include "command/families.h"
#include "command/world.h"

/* --- histograms ---------------------------------------------------------------------------------------- */

uint64_t histogram_bucket_end(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_OCTAVE)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t step = bucket - (shift << HISTOGRAM_BITS);
    return ((step + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct latency_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0)
            return histogram_bucket_end(i);
    }
    return 0;
}

/* The bounds that LATENCY HISTOGRAM tells, in nanoseconds: powers of two of 1024, as exact as Redis's
 * histograms are there (a part in 128), and the microseconds that it calls them by. */
static uint64_t told_bound_ns(unsigned power)
{
    uint64_t bound = UINT64_C(1024) << power;
    return bound + bound / 128 - 1;
}

#define TOLD_POWERS 32

/* Values up to each bound. */
static void told_counts(const struct world *world, const struct latency_histogram *histogram,
                        uint64_t counts[TOLD_POWERS])
{
    unsigned bucket = 0;
    uint64_t seen = 0;
    double ns_per_tick = world_ns_per_tick(world);
    for (unsigned power = 0; power < TOLD_POWERS; power++) {
        double bound = (double)told_bound_ns(power);
        while (bucket < HISTOGRAM_BUCKETS && (double)histogram_bucket_end(bucket) * ns_per_tick <= bound)
            seen += histogram->buckets[bucket++];
        counts[power] = seen;
    }
    counts[TOLD_POWERS - 1] = histogram->count;
}

static void reply_histogram(struct call *call, const struct command_entry *entry)
{
    uint64_t counts[TOLD_POWERS];
    uint64_t before = 0;
    int64_t pairs = 0;
    told_counts(call->world, entry->stats.histogram, counts);
    reply_bulk_text(call->reply, entry->full_name);
    reply_map(call->reply, 2);
    reply_bulk_text(call->reply, "calls");
    reply_int(call->reply, (int64_t)entry->stats.histogram->count);
    reply_bulk_text(call->reply, "histogram_usec");
    struct output_gap gap = reply_later(call->reply);
    for (unsigned power = 0; power < TOLD_POWERS; before = counts[power++]) {
        if (counts[power] == before)
            continue;
        reply_int(call->reply, (int64_t)(told_bound_ns(power) / 1000));
        reply_int(call->reply, (int64_t)counts[power]);
        pairs++;
    }
    reply_map_at(call->reply, gap, pairs);
}

/* A command, or a container's subcommands; returns how many had something to tell. */
static int64_t reply_histograms(struct call *call, const struct command_entry *entry)
{
    int64_t count = 0;
    if (entry->stats.histogram && entry->stats.histogram->count) {
        reply_histogram(call, entry);
        count++;
    }
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        count += reply_histograms(call, &entry->children[i]);
    return count;
}

static void histogram_command(struct call *call)
{
    const struct command_table *table = call->world->commands;
    struct output_gap gap = reply_later(call->reply);
    int64_t count = 0;
    if (call->argc == 2)
        for (size_t i = 0; i < command_table_count(table); i++)
            count += reply_histograms(call, command_table_at(table, i));
    for (int i = 2; i < call->argc; i++) {
        const struct command_entry *entry = command_table_lookup_called(table, call->argv[i]);
        if (entry)
            count += reply_histograms(call, entry);
    }
    reply_map_at(call->reply, gap, count);
}

/* --- events -------------------------------------------------------------------------------------------- */

/* Kinds of events, and samples kept of each. */
#define EVENTS_MAX  16
#define SAMPLES_MAX 160

struct latency_sample {
    int64_t time_s;
    int64_t ms;
};

struct latency_event {
    const char *name; /* a literal */
    int64_t max_ms;
    unsigned count; /* in samples */
    unsigned next;
    struct latency_sample samples[SAMPLES_MAX]; /* a ring */
};

struct latency_events {
    size_t count;
    struct latency_event *list[EVENTS_MAX];
};

struct latency_events *latency_events_new(void)
{
    return mem_alloc_zero(sizeof(struct latency_events));
}

static void events_forget(struct latency_events *events, size_t index)
{
    mem_free(events->list[index]);
    events->list[index] = events->list[--events->count];
}

void latency_events_free(struct latency_events *events)
{
    while (events->count > 0)
        events_forget(events, 0);
    mem_free(events);
}

static struct latency_event *event_find(const struct latency_events *events, struct slice name)
{
    for (size_t i = 0; i < events->count; i++)
        if (slice_equal(name, slice_of(events->list[i]->name)))
            return events->list[i];
    return NULL;
}

static struct latency_event *event_add(struct latency_events *events, const char *name)
{
    ASSERT(events->count < EVENTS_MAX);
    struct latency_event *event = mem_alloc_zero(sizeof(*event));
    event->name = name;
    events->list[events->count++] = event;
    return event;
}

/* index 0: the oldest that is kept. */
static struct latency_sample *event_sample(const struct latency_event *event, unsigned index)
{
    unsigned at = (event->next + SAMPLES_MAX - event->count + index) % SAMPLES_MAX;
    return (struct latency_sample *)(uintptr_t)&event->samples[at];
}

/* One sample a second is kept, the worst. */
void latency_note(struct world *world, const char *name, int64_t duration_us)
{
    struct latency_events *events = world->latency_events;
    struct latency_event *event = event_find(events, slice_of(name));
    int64_t now_s = world->now_ms / 1000;
    int64_t ms = duration_us / 1000;
    if (!event)
        event = event_add(events, name);
    if (ms > event->max_ms)
        event->max_ms = ms;
    struct latency_sample *last = event->count ? event_sample(event, event->count - 1) : NULL;
    if (last && last->time_s == now_s) {
        if (ms > last->ms)
            last->ms = ms;
        return;
    }
    event->samples[event->next] = (struct latency_sample){now_s, ms};
    event->next = (event->next + 1) % SAMPLES_MAX;
    if (event->count < SAMPLES_MAX)
        event->count++;
}

static void latest_command(struct call *call)
{
    const struct latency_events *events = call->world->latency_events;
    reply_array(call->reply, (int64_t)events->count);
    for (size_t i = 0; i < events->count; i++) {
        const struct latency_event *event = events->list[i];
        const struct latency_sample *last = event_sample(event, event->count - 1);
        reply_array(call->reply, 4);
        reply_bulk_text(call->reply, event->name);
        reply_int(call->reply, last->time_s);
        reply_int(call->reply, last->ms);
        reply_int(call->reply, event->max_ms);
    }
}

static void history_command(struct call *call)
{
    const struct latency_event *event = event_find(call->world->latency_events, call->argv[2]);
    unsigned count = event ? event->count : 0;
    reply_array(call->reply, count);
    for (unsigned i = 0; i < count; i++) {
        reply_array(call->reply, 2);
        reply_int(call->reply, event_sample(event, i)->time_s);
        reply_int(call->reply, event_sample(event, i)->ms);
    }
}

static void reset_command(struct call *call)
{
    struct latency_events *events = call->world->latency_events;
    int64_t forgotten = 0;
    for (size_t i = events->count; i-- > 0;) {
        bool named = call->argc == 2;
        for (int j = 2; j < call->argc; j++)
            named = named || slice_equal(call->argv[j], slice_of(events->list[i]->name));
        if (!named)
            continue;
        events_forget(events, i);
        forgotten++;
    }
    reply_int(call->reply, forgotten);
}

/* --- for people ---------------------------------------------------------------------------------------- */

/* How high a graph is, and what a column looks like that ends in the row: a row has three levels. */
#define GRAPH_ROWS 4
static const char graph_marks[] = "_-`";

static int64_t event_low(const struct latency_event *event)
{
    int64_t low = INT64_MAX;
    for (unsigned i = 0; i < event->count; i++)
        low = event_sample(event, i)->ms < low ? event_sample(event, i)->ms : low;
    return low;
}

static int64_t event_high(const struct latency_event *event)
{
    int64_t high = 0;
    for (unsigned i = 0; i < event->count; i++)
        high = event_sample(event, i)->ms > high ? event_sample(event, i)->ms : high;
    return high;
}

/* "12s", "5m", "3h", "2d". */
static int age_format(char out[24], int64_t seconds)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    return snprintf(out, 24, "%lld%c", (long long)(seconds / units[i].seconds), units[i].letter);
}

static void graph_columns(struct buffer *out, const struct latency_event *event, int64_t low, int64_t high)
{
    int64_t levels = GRAPH_ROWS * 3;
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (unsigned i = 0; i < event->count; i++) {
            int64_t above = event_sample(event, i)->ms - low;
            int64_t level = high > low ? above * (levels - 1) / (high - low) : 0;
            char mark = level / 3 == row ? graph_marks[level % 3] : level / 3 > row ? '|' : ' ';
            buffer_append_char(out, mark);
        }
        buffer_append_char(out, '\n');
    }
}

/* Each sample's age, from top to bottom under its column. */
static void graph_ages(struct buffer *out, const struct latency_event *event, int64_t now_s)
{
    bool more = true;
    for (int row = 0; more; row++) {
        more = false;
        for (unsigned i = 0; i < event->count; i++) {
            char age[24];
            int size = age_format(age, now_s - event_sample(event, i)->time_s);
            buffer_append_char(out, row < size ? age[row] : ' ');
            more = more || row + 1 < size;
        }
        buffer_append_char(out, '\n');
    }
}

static void graph_command(struct call *call)
{
    const struct latency_event *event = event_find(call->world->latency_events, call->argv[2]);
    struct buffer out = {0};
    if (!event) {
        reply_error_format(call->reply, "ERR No samples available for event '%.*s'",
                           quote_size(call->argv[2]), call->argv[2].data);
        return;
    }
    int64_t low = event_low(event);
    int64_t high = event_high(event);
    buffer_append_format(&out, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n", event->name,
                         (long long)high, (long long)low, (long long)event->max_ms);
    for (int i = 0; i < 80; i++)
        buffer_append_char(&out, '-');
    buffer_append_char(&out, '\n');
    graph_columns(&out, event, low, high);
    buffer_append_char(&out, '\n');
    graph_ages(&out, event, call->world->now_ms / 1000);
    reply_verbatim(call->reply, buffer_slice(&out), "txt");
    buffer_free(&out);
}

static void diagnose(struct buffer *out, int number, const struct latency_event *event)
{
    static const struct {
        const char *event;
        const char *advice;
    } advices[] = {
        {"command",
         "Commands take long: SLOWLOG GET shows which, with slowlog-log-slower-than set low enough."},
        {"fast-command", "Even commands that take constant time are late: large values, or a machine that is "
                         "busy with something else."},
        {"fork",
         "A rewrite's fork stops the server while page tables are copied: less memory, or huge pages off, "
         "makes it shorter."},
        {"expire-cycle", "Many keys expire at once: spread their times to live."},
        {"eviction-cycle", "Memory is at its limit: give it more, or write less."},
        {"aof-fsync-always", "The disk takes long to sync: INFO persistence has its figures (dkv_sync_us_*). "
                             "Acknowledgements wait for it under appendfsync always."},
    };
    double sum = 0;
    double deviation = 0;
    for (unsigned i = 0; i < event->count; i++)
        sum += (double)event_sample(event, i)->ms;
    double mean = sum / event->count;
    for (unsigned i = 0; i < event->count; i++)
        deviation += fabs((double)event_sample(event, i)->ms - mean);
    int64_t first_s = event_sample(event, 0)->time_s;
    int64_t last_s = event_sample(event, event->count - 1)->time_s;
    buffer_append_format(
        out,
        "%d. %s: %u latency spikes (average %.0fms, mean deviation %.0fms, period %.2f sec). Worst all "
        "time event %lldms.\n",
        number, event->name, event->count, mean, deviation / event->count,
        event->count > 1 ? (double)(last_s - first_s) / (event->count - 1) : 1.0, (long long)event->max_ms);
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (strcmp(advices[i].event, event->name) == 0)
            buffer_append_format(out, "   %s\n", advices[i].advice);
}

static void doctor_command(struct call *call)
{
    const struct latency_events *events = call->world->latency_events;
    struct buffer out = {0};
    if (events->count == 0 && call->world->settings.latency_us == 0)
        buffer_append_text(&out, "Nothing is being watched. Say CONFIG SET latency-monitor-threshold "
                                 "<milliseconds> to note what takes longer than that.\n");
    else if (events->count == 0)
        buffer_append_text(&out, "Nothing has taken longer than latency-monitor-threshold so far.\n");
    else
        buffer_append_text(&out, "These took longer than latency-monitor-threshold:\n\n");
    for (size_t i = 0; i < events->count; i++)
        diagnose(&out, (int)i + 1, events->list[i]);
    reply_verbatim(call->reply, buffer_slice(&out), "txt");
    buffer_free(&out);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {"DOCTOR",
                                        "    Say in words what took long, and what may help.",
                                        "GRAPH <event>",
                                        "    Draw the samples of <event>.",
                                        "HISTOGRAM [<command> ...]",
                                        "    Return how many calls took how long, cumulative, by command.",
                                        "HISTORY <event>",
                                        "    Return the samples of <event>, with their times.",
                                        "LATEST",
                                        "    Return the latest sample and the maximum of all events.",
                                        "RESET [<event> ...]",
                                        "    Forget the samples of some events, or of all.",
                                        NULL};
    call_help(call, lines);
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define WATCHING   (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define EVERY_NODE "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"

static const struct command latency_subcommands[] = {
    {.name = "doctor",
     .arity = 2,
     .flags = WATCHING,
     .function = doctor_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns a human-readable latency analysis report.",
     .tips = (const char *const[]){EVERY_NODE, NULL}},
    {.name = "graph",
     .arity = 3,
     .flags = WATCHING,
     .function = graph_command,
     .arguments = "event",
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns a latency graph for an event.",
     .tips = (const char *const[]){EVERY_NODE, NULL}},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "histogram",
     .arity = -2,
     .flags = WATCHING,
     .function = histogram_command,
     .arguments = "[command*]",
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands with latency information being retrieved.",
     .summary = "Returns the cumulative distribution of latencies of a subset or all commands.",
     .tips = (const char *const[]){EVERY_NODE, NULL}},
    {.name = "history",
     .arity = 3,
     .flags = WATCHING,
     .function = history_command,
     .arguments = "event",
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns timestamp-latency samples for an event.",
     .tips = (const char *const[]){EVERY_NODE, NULL}},
    {.name = "latest",
     .arity = 2,
     .flags = WATCHING,
     .function = latest_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns the latest latency samples for all events.",
     .tips = (const char *const[]){EVERY_NODE, NULL}},
    {.name = "reset",
     .arity = -2,
     .flags = WATCHING,
     .function = reset_command,
     .arguments = "[event*]",
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Resets the latency data for one or more events.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
};

const struct command latency_commands[] = {
    {.name = "latency",
     .arity = -2,
     .group = "server",
     .since = "2.8.13",
     .complexity = "Depends on subcommand.",
     .summary = "A container for latency diagnostics commands.",
     .subcommands = latency_subcommands,
     .subcommand_count = sizeof(latency_subcommands) / sizeof(latency_subcommands[0])},
};
const size_t latency_command_count = sizeof(latency_commands) / sizeof(latency_commands[0]);
