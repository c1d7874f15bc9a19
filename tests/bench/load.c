/* A load generator, for what redis-benchmark cannot do: several kinds of client at once, mixes of commands,
 * each key exactly once, a fixed rate, p99.9; and for pipelines so fast that redis-benchmark is what is
 * measured.
 *
 *     load ADDRESS GROUP...             ADDRESS: a port of 127.0.0.1, or the path of a unix socket
 *
 * A group is one argument: settings, a colon, and commands with their weights, separated by slashes.
 *
 *     "clients=20 pipeline=16 keys=1000000 seconds=3 : 1 SET key:# $64 EX 100000 / 10 GET key:#"
 *
 *     name=TEXT        in the output
 *     clients=N        connections (1)
 *     pipeline=N       requests sent together; the next ones follow when all are answered (1)
 *     keys=N           # becomes 12 digits below this (1000000)
 *     order=random     or each: every key once, in order, and then the group ends
 *     requests=N, seconds=N      when the group ends. One with neither ends with the last of the others
 *     rate=N           requests a second at most, spread evenly
 *
 * @ becomes 12 digits of a thousandth of the number that # is: with order=each, a thousand # for each @.
 * $N becomes a value of N bytes. SIGTERM ends all groups. What comes out is JSON: for each group its
 * requests, seconds, errors and latencies in milliseconds, and the processor seconds of this program. A
 * latency is from the write of a pipeline to the arrival of the reply. One client with a rate counts also the
 * requests that it would have sent while it waited for a slow reply (as HdrHistogram does), so that a pause
 * weighs what it lasted. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GROUPS_MAX    4
#define COMMANDS_MAX  4
#define HOLES_MAX     16
#define DIGITS        12
#define GROUP_OF_KEYS 1000 /* that have the same @ */
#define REST_MAX      1024
#define INPUT_MAX     (256 << 10)
#define EVENTS_MAX    128
#define NS_PER_SECOND UINT64_C(1000000000)

/* Latencies: 64 linear steps for each power of two of nanoseconds, an error below 1.6 %. */
#define HISTOGRAM_BITS  6
#define HISTOGRAM_SIZE  (40 << HISTOGRAM_BITS)
#define HISTOGRAM_FIRST (UINT64_C(1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_SIZE];
    uint64_t total;
    uint64_t max_ns;
};

/* Where digits go, and what the number is divided by before. */
struct hole {
    size_t at;
    unsigned divisor;
};

/* One command as it is sent. */
struct command {
    char *text;
    size_t size;
    struct hole holes[HOLES_MAX];
    size_t holes_count;
    unsigned weight;
};

struct group {
    const char *name;
    unsigned clients, pipeline;
    uint64_t keys, requests_max, rate;
    double seconds_max;
    bool each_key;
    struct command commands[COMMANDS_MAX];
    unsigned commands_count, weights;

    uint64_t sent, answered, errors;
    char first_error[128];
    uint64_t began_ns, ended_ns;
    bool ended;
    unsigned busy; /* connections that wait for replies */
    struct histogram latencies;
};

struct connection {
    struct group *group;
    struct connection *next_idle;
    int socket;
    unsigned waiting; /* replies */
    uint64_t sent_ns;
    char *output;
    size_t output_size, output_at, output_room;
    bool wants_out;
    /* The reply being read: bytes of a bulk string that are to come, elements that are to come. */
    size_t skip;
    uint64_t elements;
    char rest[REST_MAX]; /* of a line that has not arrived whole */
    size_t rest_size;
};

static struct {
    struct group groups[GROUPS_MAX];
    unsigned groups_count;
    struct connection *idle[GROUPS_MAX];
    const char *address;
    int epoll;
    uint64_t random;
    char input[INPUT_MAX + REST_MAX];
} load;

static volatile sig_atomic_t terminated;

_Noreturn static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "load: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t random_below(uint64_t limit)
{
    load.random ^= load.random << 13;
    load.random ^= load.random >> 7;
    load.random ^= load.random << 17;
    return (uint64_t)(((unsigned __int128)load.random * limit) >> 64);
}

/* --- latencies
 * ------------------------------------------------------------------------------------------------ */

static size_t histogram_place(uint64_t ns)
{
    if (ns < HISTOGRAM_FIRST)
        return (size_t)ns;
    unsigned power = 63U - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
    size_t place = ((size_t)(power + 1) << HISTOGRAM_BITS) + (size_t)((ns >> power) - HISTOGRAM_FIRST);
    return place < HISTOGRAM_SIZE ? place : HISTOGRAM_SIZE - 1;
}

/* The largest latency that is counted at this place. */
static uint64_t histogram_value(size_t place)
{
    if (place < HISTOGRAM_FIRST)
        return place;
    unsigned power = (unsigned)(place >> HISTOGRAM_BITS) - 1;
    return ((HISTOGRAM_FIRST + (place & (HISTOGRAM_FIRST - 1)) + 1) << power) - 1;
}

static void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[histogram_place(ns)]++;
    histogram->total++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

static double histogram_ms(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * share);
    uint64_t seen = 0;
    for (size_t place = 0; place < HISTOGRAM_SIZE; place++) {
        seen += histogram->counts[place];
        if (seen > wanted) {
            uint64_t value = histogram_value(place);
            return (double)(value < histogram->max_ns ? value : histogram->max_ns) / 1e6;
        }
    }
    return (double)histogram->max_ns / 1e6;
}

/* --- what was asked for
 * --------------------------------------------------------------------------------------- */

static uint64_t number_of(const char *text, const char *what)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        fail(what, text);
    return number;
}

static void command_append(struct command *command, const char *data, size_t size)
{
    command->text = realloc(command->text, command->size + size + 1);
    if (command->text == NULL)
        fail("memory", "none left");
    memcpy(command->text + command->size, data, size);
    command->size += size;
}

static void command_append_word(struct command *command, const char *word)
{
    const char *hole = strpbrk(word, "#@");
    size_t value_size = word[0] == '$' ? (size_t)number_of(word + 1, "not a size") : 0;
    size_t size = value_size > 0 ? value_size : strlen(word) + (hole != NULL ? DIGITS - 1 : 0);
    char head[32];
    command_append(command, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", size));
    if (value_size > 0) {
        char *value = malloc(value_size);
        if (value == NULL)
            fail("memory", "none left");
        for (size_t i = 0; i < value_size; i++)
            value[i] = (char)('a' + random_below(26));
        command_append(command, value, value_size);
        free(value);
    } else if (hole != NULL) {
        if (command->holes_count == HOLES_MAX)
            fail("too many keys", word);
        command_append(command, word, (size_t)(hole - word));
        unsigned divisor = *hole == '@' ? GROUP_OF_KEYS : 1;
        command->holes[command->holes_count++] = (struct hole){command->size, divisor};
        command_append(command, "000000000000", DIGITS);
        command_append(command, hole + 1, strlen(hole + 1));
    } else {
        command_append(command, word, size);
    }
    command_append(command, "\r\n", 2);
}

static void command_parse(struct command *command, char *text)
{
    char *words[64], *place;
    int count = 0;
    for (char *word = strtok_r(text, " ", &place); word != NULL; word = strtok_r(NULL, " ", &place)) {
        if (count == 64)
            fail("too many words", word);
        words[count++] = word;
    }
    if (count < 2)
        fail("a command needs a weight and a name", text);
    command->weight = (unsigned)number_of(words[0], "not a weight");
    char head[32];
    command_append(command, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", count - 1));
    for (int i = 1; i < count; i++)
        command_append_word(command, words[i]);
}

static void group_set(struct group *group, char *setting)
{
    char *value = strchr(setting, '=');
    if (value == NULL)
        fail("not a setting", setting);
    *value++ = '\0';
    if (strcmp(setting, "name") == 0)
        group->name = value;
    else if (strcmp(setting, "order") == 0)
        group->each_key = strcmp(value, "each") == 0;
    else if (strcmp(setting, "clients") == 0)
        group->clients = (unsigned)number_of(value, setting);
    else if (strcmp(setting, "pipeline") == 0)
        group->pipeline = (unsigned)number_of(value, setting);
    else if (strcmp(setting, "keys") == 0)
        group->keys = number_of(value, setting);
    else if (strcmp(setting, "requests") == 0)
        group->requests_max = number_of(value, setting);
    else if (strcmp(setting, "rate") == 0)
        group->rate = number_of(value, setting);
    else if (strcmp(setting, "seconds") == 0)
        group->seconds_max = strtod(value, NULL);
    else
        fail("no such setting", setting);
}

static void group_parse(struct group *group, char *text)
{
    *group = (struct group){.name = "load", .clients = 1, .pipeline = 1, .keys = 1000000};
    char *commands = strstr(text, " : ");
    if (commands == NULL)
        fail("no commands", text);
    *commands = '\0';
    char *place;
    for (char *word = strtok_r(text, " ", &place); word != NULL; word = strtok_r(NULL, " ", &place))
        group_set(group, word);
    if (group->clients == 0 || group->pipeline == 0 || group->keys == 0)
        fail("must not be 0", "clients, pipeline, keys");
    if (group->each_key && group->requests_max == 0)
        group->requests_max = group->keys;
    for (char *one = strtok_r(commands + 3, "/", &place); one != NULL; one = strtok_r(NULL, "/", &place)) {
        if (group->commands_count == COMMANDS_MAX)
            fail("too many commands", one);
        struct command *command = &group->commands[group->commands_count++];
        command_parse(command, one);
        group->weights += command->weight;
    }
}

/* --- sending
 * -------------------------------------------------------------------------------------------------- */

static void write_digits(char *to, uint64_t number)
{
    static char quads[10000][4];
    if (quads[0][0] == '\0')
        for (unsigned i = 0; i < 10000; i++) {
            char text[5];
            snprintf(text, sizeof text, "%04u", i % 10000);
            memcpy(quads[i], text, 4);
        }
    memcpy(to, quads[number / 100000000 % 10000], 4);
    memcpy(to + 4, quads[number / 10000 % 10000], 4);
    memcpy(to + 8, quads[number % 10000], 4);
}

static const struct command *group_pick(const struct group *group)
{
    const struct command *command = group->commands;
    if (group->commands_count > 1)
        for (uint64_t at = random_below(group->weights); at >= command->weight; command++)
            at -= command->weight;
    return command;
}

static void connection_add_request(struct connection *connection)
{
    struct group *group = connection->group;
    const struct command *command = group_pick(group);
    if (connection->output_size + command->size > connection->output_room) {
        connection->output_room = 2 * (connection->output_size + command->size);
        connection->output = realloc(connection->output, connection->output_room);
        if (connection->output == NULL)
            fail("memory", "none left");
    }
    char *to = connection->output + connection->output_size;
    memcpy(to, command->text, command->size);
    for (size_t i = 0; i < command->holes_count; i++) {
        uint64_t number = group->each_key ? group->sent % group->keys : random_below(group->keys);
        write_digits(to + command->holes[i].at, number / command->holes[i].divisor);
    }
    connection->output_size += command->size;
    connection->waiting++;
    group->sent++;
}

static void connection_watch(struct connection *connection, bool out)
{
    if (connection->wants_out == out)
        return;
    connection->wants_out = out;
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0U), .data.ptr = connection};
    epoll_ctl(load.epoll, EPOLL_CTL_MOD, connection->socket, &event);
}

static void connection_write(struct connection *connection)
{
    while (connection->output_at < connection->output_size) {
        ssize_t wrote = write(connection->socket, connection->output + connection->output_at,
                              connection->output_size - connection->output_at);
        if (wrote < 0) {
            if (errno != EAGAIN)
                fail("write", strerror(errno));
            connection_watch(connection, true);
            return;
        }
        connection->output_at += (size_t)wrote;
    }
    connection_watch(connection, false);
}

/* How many requests the group may send now. */
static uint64_t group_allowance(const struct group *group, uint64_t now)
{
    uint64_t most = UINT64_MAX;
    if (group->rate > 0) {
        uint64_t due = (uint64_t)((double)(now - group->began_ns) * (double)group->rate / 1e9) + 1;
        most = due > group->sent ? due - group->sent : 0;
    }
    if (group->requests_max > 0 && group->requests_max - group->sent < most)
        most = group->requests_max - group->sent;
    return group->ended ? 0 : most;
}

/* Sends a pipeline, or nothing if the group may not send that many yet; those that still wait for their turn
 * are kept in the list of idle ones. */
static void connection_send(struct connection *connection)
{
    struct group *group = connection->group;
    uint64_t now = now_ns();
    uint64_t most = group_allowance(group, now);
    bool last = group->requests_max > 0 && most == group->requests_max - group->sent;
    if (most == 0 || (most < group->pipeline && !last)) {
        connection->next_idle = load.idle[group - load.groups];
        load.idle[group - load.groups] = connection;
        return;
    }
    connection->output_size = connection->output_at = 0;
    for (unsigned i = 0; i < group->pipeline && i < most; i++)
        connection_add_request(connection);
    group->busy++;
    connection->sent_ns = now;
    connection_write(connection);
}

/* --- receiving
 * ------------------------------------------------------------------------------------------------ */

static void connection_answered(struct connection *connection, uint64_t now)
{
    struct group *group = connection->group;
    uint64_t latency = now - connection->sent_ns;
    if (connection->waiting == 0)
        fail("a reply that nobody asked for", group->name);
    connection->waiting--;
    group->answered++;
    histogram_add(&group->latencies, latency);
    if (group->rate > 0 && group->clients == 1) {
        uint64_t period = NS_PER_SECOND / group->rate;
        for (uint64_t left = latency; left > period; left -= period)
            histogram_add(&group->latencies, left - period);
    }
}

static void connection_error(struct connection *connection, const char *line, size_t size)
{
    struct group *group = connection->group;
    if (group->errors++ == 0)
        snprintf(group->first_error, sizeof group->first_error, "%.*s", (int)size, line);
}

/* Takes note of a line of a reply; returns how many elements it announces. */
static uint64_t connection_line(struct connection *connection, const char *line, size_t size)
{
    long count = line[0] == '$' || line[0] == '*' ? strtol(line + 1, NULL, 10) : 0;
    if (line[0] == '$' && count >= 0)
        connection->skip = (size_t)count + 2;
    else if (line[0] == '*' && count > 0)
        return (uint64_t)count;
    else if (line[0] == '-')
        connection_error(connection, line + 1, size - 2);
    return 0;
}

static void connection_parse(struct connection *connection, const char *at, const char *end, uint64_t now)
{
    while (at < end) {
        if (connection->skip > 0) {
            size_t here = (size_t)(end - at) < connection->skip ? (size_t)(end - at) : connection->skip;
            at += here;
            connection->skip -= here;
        } else {
            const char *line_end = memchr(at, '\n', (size_t)(end - at));
            if (line_end == NULL)
                break;
            if (connection->elements == 0)
                connection->elements = 1;
            connection->elements += connection_line(connection, at, (size_t)(line_end + 1 - at));
            connection->elements--;
            at = line_end + 1;
        }
        if (connection->skip == 0 && connection->elements == 0)
            connection_answered(connection, now);
    }
    connection->rest_size = (size_t)(end - at);
    if (connection->rest_size > REST_MAX)
        fail("a line that is too long", connection->group->name);
    memcpy(connection->rest, at, connection->rest_size);
}

static void connection_read(struct connection *connection)
{
    memcpy(load.input, connection->rest, connection->rest_size);
    ssize_t got = read(connection->socket, load.input + connection->rest_size, INPUT_MAX);
    if (got == 0)
        fail("the server closed a connection", connection->group->name);
    if (got < 0) {
        if (errno != EAGAIN)
            fail("read", strerror(errno));
        return;
    }
    unsigned waited = connection->waiting;
    connection_parse(connection, load.input, load.input + connection->rest_size + (size_t)got, now_ns());
    if (waited > 0 && connection->waiting == 0) {
        connection->group->busy--;
        connection_send(connection);
    }
}

/* --- running
 * -------------------------------------------------------------------------------------------------- */

static int address_connect(const char *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_path = strchr(address, '/') != NULL;
    if (is_path)
        snprintf(local.sun_path, sizeof local.sun_path, "%s", address);
    else
        tcp.sin_port = htons((uint16_t)number_of(address, "not a port"));
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, is_path ? (struct sockaddr *)&local : (struct sockaddr *)&tcp,
                          is_path ? sizeof local : sizeof tcp) != 0)
        fail(address, strerror(errno));
    int yes = 1;
    if (!is_path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void group_open(struct group *group)
{
    for (unsigned i = 0; i < group->clients; i++) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            fail("memory", "none left");
        connection->group = group;
        connection->socket = address_connect(load.address);
        connection->next_idle = load.idle[group - load.groups];
        load.idle[group - load.groups] = connection;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(load.epoll, EPOLL_CTL_ADD, connection->socket, &event);
    }
}

static void group_wake_idle(struct group *group)
{
    struct connection *idle = load.idle[group - load.groups];
    load.idle[group - load.groups] = NULL;
    while (idle != NULL) {
        struct connection *next = idle->next_idle;
        connection_send(idle);
        idle = next;
    }
}

/* Ends groups whose time is over or that have sent all. Returns whether any still runs or waits for replies.
 */
static bool groups_check(void)
{
    uint64_t now = now_ns();
    bool bounded_left = false, bounded = false, busy = false;
    for (unsigned i = 0; i < load.groups_count; i++) {
        struct group *group = &load.groups[i];
        bool has_end = group->seconds_max > 0 || group->requests_max > 0;
        if ((group->seconds_max > 0 && (double)(now - group->began_ns) > group->seconds_max * 1e9) ||
            (group->requests_max > 0 && group->answered == group->requests_max) || terminated)
            group->ended = true;
        if (group->ended && group->busy == 0 && group->ended_ns == 0)
            group->ended_ns = now;
        bounded |= has_end;
        bounded_left |= has_end && !group->ended;
        busy |= group->busy > 0 || !group->ended;
    }
    if (bounded && !bounded_left)
        terminated = 1;
    return busy;
}

/* Milliseconds until a group with a rate may send again; -1: nothing but events counts. */
static int groups_timeout(void)
{
    int timeout = -1;
    for (unsigned i = 0; i < load.groups_count; i++) {
        const struct group *group = &load.groups[i];
        if (group->ended)
            continue;
        if (group->rate > 0 && load.idle[i] != NULL)
            return 1;
        if (group->seconds_max > 0)
            timeout = 10;
    }
    return timeout;
}

static void load_run(void)
{
    struct epoll_event events[EVENTS_MAX];
    for (unsigned i = 0; i < load.groups_count; i++)
        load.groups[i].began_ns = now_ns();
    while (groups_check()) {
        for (unsigned i = 0; i < load.groups_count; i++)
            if (load.idle[i] != NULL)
                group_wake_idle(&load.groups[i]);
        int count = epoll_wait(load.epoll, events, EVENTS_MAX, groups_timeout());
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                connection_write(connection);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection_read(connection);
        }
    }
}

static void group_print(const struct group *group)
{
    double seconds = (double)(group->ended_ns - group->began_ns) / 1e9;
    printf("{\"name\": \"%s\", \"requests\": %" PRIu64
           ", \"seconds\": %.6f, \"rate\": %.1f, \"errors\": %" PRIu64 ", \"first_error\": \"",
           group->name, group->answered, seconds, (double)group->answered / seconds, group->errors);
    for (const char *at = group->first_error; *at != '\0'; at++)
        putchar(*at == '"' || *at == '\\' || *at < ' ' ? '?' : *at);
    printf("\", \"p50\": %.4f, \"p99\": %.4f, \"p99.9\": %.4f, \"max\": %.4f}",
           histogram_ms(&group->latencies, 0.5), histogram_ms(&group->latencies, 0.99),
           histogram_ms(&group->latencies, 0.999), (double)group->latencies.max_ns / 1e6);
}

static void on_signal(int number)
{
    (void)number;
    terminated = 1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 2 + GROUPS_MAX) {
        fprintf(stderr, "usage: load ADDRESS GROUP...  (see the top of load.c)\n");
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    load.random = now_ns() * 2 + 1;
    load.address = argv[1];
    load.groups_count = (unsigned)argc - 2;
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < load.groups_count; i++) {
        group_parse(&load.groups[i], argv[2 + i]);
        group_open(&load.groups[i]);
    }
    load_run();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"groups\": [");
    for (unsigned i = 0; i < load.groups_count; i++) {
        printf("%s", i == 0 ? "" : ", ");
        group_print(&load.groups[i]);
    }
    printf("], \"cpu\": %.3f}\n", (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                                      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
