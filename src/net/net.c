#include "net/net.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "net/internal.h"

/* A connection that others were not heard beside for so many rounds is taken for the only one. */
#define ROUNDS_OF_ONE    16
#define RECENT_PERIOD_US (4 * (int64_t)MICROSECONDS)

/* --- a round ----------------------------------------------------------------------------------------- */

static void net_woken(void *context)
{
    struct net *net = context;
    net->woken = true;
}

static struct connection *run_list_take(struct list *list)
{
    struct list_node *node = list_take_first(list);
    return node == NULL ? NULL : LIST_OWNER(node, struct connection, run_node);
}

/* Lets the paused go on in the order they came, until one has to pause again: then the others would have to
 * as well. */
static void paused_resume(struct net *net)
{
    struct list paused;
    list_init(&paused);
    list_splice(&paused, &net->run_lists[RUN_PAUSED]);
    struct connection *connection;
    while (list_empty(&net->run_lists[RUN_PAUSED]) && (connection = run_list_take(&paused)) != NULL)
        connection_continue(connection);
    list_splice(&net->run_lists[RUN_PAUSED], &paused);
}

static void ready_run(struct net *net)
{
    struct list ready;
    list_init(&ready);
    list_splice(&ready, &net->run_lists[RUN_READY]);
    struct connection *connection;
    while ((connection = run_list_take(&ready)) != NULL)
        connection_continue(connection);
}

static void net_begin(void *context)
{
    struct net *net = context;
    net->handler.begin(net->handler.context);
    bool woken = net->woken;
    net->woken = false;
    if (net->draining)
        return;
    /* First those whose turn it already was in the last round, so that nobody has two in this one. */
    ready_run(net);
    if (woken)
        paused_resume(net);
}

/* Whether all that has run lately came from one connection, and nobody is put off. */
static bool serves_one(struct net *net)
{
    if (net->ran_last == NULL || net->run_counts[RUN_READY] + net->run_counts[RUN_PAUSED] > 0)
        net->rounds_of_one = 0;
    else if (net->rounds_of_one < ROUNDS_OF_ONE)
        net->rounds_of_one++;
    return net->rounds_of_one == ROUNDS_OF_ONE;
}

static int net_end(void *context)
{
    struct net *net = context;
    net->handler.submit(net->handler.context, serves_one(net));
    net_send(net);
    unread_release(net);
    connections_reap(net);
    bool more = !list_empty(&net->send_lists[SEND_DUE]) ||
                (!list_empty(&net->run_lists[RUN_READY]) && !net->draining);
    return more ? 0 : -1;
}

/* --- idle connections -------------------------------------------------------------------------------- */

static struct connection *longest_untouched(const struct net *net)
{
    struct list_node *node = list_first(&net->by_touch);
    return node == NULL ? NULL : LIST_OWNER(node, struct connection, touch_node);
}

static void idle_timer_set(struct net *net)
{
    const struct connection *first = longest_untouched(net);
    if (net->limits.timeout_seconds <= 0 || first == NULL)
        loop_timer_cancel(net->loop, &net->idle_timer);
    else
        loop_timer_set(net->loop, &net->idle_timer,
                       (first->touched_seconds + net->limits.timeout_seconds + 1) * MICROSECONDS);
}

/* Who waits for an answer or for messages is not idle. */
static bool connection_may_idle(const struct connection *connection)
{
    return connection->run_state == RUN_BLOCKED || connection->run_state == RUN_PAUSED ||
           connection->class != CLASS_NORMAL || connection->session->monitors;
}

static void idle_timer_due(void *context)
{
    struct net *net = context;
    int64_t now_seconds = loop_time_us(net->loop) / MICROSECONDS;
    struct connection *connection;
    while ((connection = longest_untouched(net)) != NULL &&
           now_seconds - connection->touched_seconds > net->limits.timeout_seconds) {
        if (connection_may_idle(connection)) {
            connection_touch(connection);
            continue;
        }
        connection_log(connection, "Closing idle client", 0);
        net->stats.closed_idle++;
        connection_close(connection);
    }
    idle_timer_set(net);
}

/* --- accepting --------------------------------------------------------------------------------------- */

static const char denied[] = "-DENIED Redis is running in protected mode because protected mode is enabled "
                             "and no password is set for the "
                             "default user. In this mode only clients on the server's own machine are let "
                             "in, over the loopback interface or a "
                             "unix socket. To connect from another machine, do one of the following: 1) From "
                             "the server's own machine, turn "
                             "protected mode off with 'CONFIG SET protected-mode no', and make that last "
                             "with 'CONFIG REWRITE'. Be sure first "
                             "that the server cannot be reached from the internet. 2) Put 'protected-mode "
                             "no' into the configuration file and "
                             "start the server again. 3) If you only want to try something, start the server "
                             "with '--protected-mode no'. 4) Set "
                             "a password for the default user, with 'requirepass' or 'CONFIG SET "
                             "requirepass'. One of these is enough for "
                             "clients from elsewhere to be let in.\r\n";

static void refuse(struct net *net, int fd, const char *text)
{
    net->stats.rejected++;
    /* A new socket has room for this; if it does not, the client learns it from the closing. */
    if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        diag(DIAG_DEBUG, "A client was refused and could not be told.");
    close(fd);
}

static uint64_t clients_of_all(const struct net *net)
{
    const struct net_handler *handler = &net->handler;
    return net->stats.connected +
           (handler->clients_elsewhere ? handler->clients_elsewhere(handler->context) : 0);
}

void net_accept(void *context, int fd, const struct address *peer)
{
    struct net *net = context;
    if (net->draining) {
        close(fd);
    } else if (clients_of_all(net) >= net->limits.clients_max) {
        turned_away_add(&net->turned_away, net->loop, net->limits.clients_max);
        refuse(net, fd, "-ERR max number of clients reached\r\n");
    } else if (net->limits.protect && !address_is_local(peer)) {
        refuse(net, fd, denied);
    } else if (connection_new(net, fd, peer) != NULL) {
        net->stats.accepted++;
        if (!loop_timer_is_set(&net->idle_timer))
            idle_timer_set(net);
    } else {
        net->stats.rejected++;
    }
}

/* --- life -------------------------------------------------------------------------------------------- */

struct net *net_new(const struct net_options *options)
{
    struct net *net = mem_alloc_zero(sizeof(*net));
    net->loop = options->loop;
    net->handler = options->handler;
    net->limits = options->limits;
    struct list *const lists[] = {&net->all, &net->by_touch, &net->over_soft, &net->closed};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    for (int i = 0; i < RUN_STATE_COUNT; i++)
        list_init(&net->run_lists[i]);
    for (int i = 0; i < SEND_STATE_COUNT; i++)
        list_init(&net->send_lists[i]);
    net->idle_timer = (struct loop_timer){.callback = idle_timer_due, .context = net};
    net->soft_timer = (struct loop_timer){.callback = net_soft_timer, .context = net};
    net->unread_timer = (struct loop_timer){.callback = net_unread_timer, .context = net};
    net->read_buffer = mem_alloc(READ_BUFFER_SIZE);
    net->acknowledged = net->handler.acknowledged(net->handler.context);
    loop_hook_add(net->loop, &(struct loop_hook){
                                 .context = net, .woken = net_woken, .begin = net_begin, .end = net_end});
    return net;
}

void net_free(struct net *net)
{
    if (net == NULL)
        return;
    ASSERT(net->running == NULL);
    struct list_node *node;
    while ((node = list_first(&net->all)) != NULL)
        connection_close(LIST_OWNER(node, struct connection, all_node));
    connections_reap(net);
    loop_timer_cancel(net->loop, &net->idle_timer);
    loop_timer_cancel(net->loop, &net->soft_timer);
    loop_timer_cancel(net->loop, &net->unread_timer);
    loop_hook_remove(net->loop, net);
    parsers_free(net);
    mem_free(net->read_buffer);
    mem_free(net);
}

void net_set_limits(struct net *net, const struct net_limits *limits)
{
    net->limits = *limits;
    for (struct list_node *node = list_first(&net->all); node != NULL; node = list_next(&net->all, node))
        connection_limit_output(LIST_OWNER(node, struct connection, all_node));
    idle_timer_set(net);
    if (!list_empty(&net->over_soft))
        loop_timer_set(net->loop, &net->soft_timer, loop_time_us(net->loop));
}

void net_drain(struct net *net)
{
    net->draining = true;
}

void net_each(struct net *net, net_visit *visit, void *context)
{
    struct list_node *next;
    for (struct list_node *node = list_first(&net->all); node != NULL; node = next) {
        next = list_next(&net->all, node);
        visit(context, LIST_OWNER(node, struct connection, all_node));
    }
}

/* --- counting ---------------------------------------------------------------------------------------- */

static void recent_max_roll(const struct net *net, struct recent_max *recent)
{
    int64_t period = loop_time_us(net->loop) / RECENT_PERIOD_US;
    if (period == recent->period)
        return;
    recent->previous = period == recent->period + 1 ? recent->current : 0;
    recent->current = 0;
    recent->period = period;
}

void recent_max_note(const struct net *net, struct recent_max *recent, uint64_t value)
{
    recent_max_roll(net, recent);
    if (value > recent->current)
        recent->current = value;
}

static uint64_t recent_max_read(const struct net *net, struct recent_max *recent)
{
    recent_max_roll(net, recent);
    return recent->current > recent->previous ? recent->current : recent->previous;
}

void net_stats_read(struct net *net, struct net_stats *stats)
{
    *stats = net->stats;
    stats->blocked = net->run_counts[RUN_BLOCKED];
    stats->paused = net->run_counts[RUN_PAUSED];
    stats->unread = net->run_counts[RUN_UNREAD];
    stats->output_total = net->output_total;
    stats->input_recent_max = recent_max_read(net, &net->input_recent);
    stats->output_recent_max = recent_max_read(net, &net->output_recent);
}

void net_stats_reset(struct net *net)
{
    net->stats = (struct net_stats){.connected = net->stats.connected};
}
