/* From a readable socket to executed commands.
 *
 * Where bytes lie. All sockets are read into one buffer, and requests run in place there. What is left over,
 * usually the beginning of a command whose rest has not come, is copied to the connection's own input, and
 * the next time put in front of what is read then. Only when that input has become large, because many
 * arguments are on their way, is the socket read directly behind it. It grows as bytes really come, at most
 * doubling, whatever length a client has announced. A large argument is read into a blob of its own
 * (resp/parser.h), where commands find it and may keep it: what the socket filled becomes the value.
 *
 * Whose turn it is. A connection gets one read and a bounded number of commands a round; what is left waits
 * for the next one, in which the others have their turn first. Whoever has not authenticated gets little of
 * everything: what waits for his next turn, and what he was answered, is memory that anybody could take. */
#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/call.h"
#include "net/internal.h"

/* Commands run for one connection in a round, checked after each batch, and reply bytes queued for it,
 * checked after each command, as is the time that they took (session_turn_is_long). */
#define TURN_COMMANDS_MAX 1024
#define TURN_OUTPUT_MAX   (1024 * 1024)
/* The same for strangers: it goes out before there is more, as long as they read. */
#define TURN_STRANGER_OUTPUT_MAX 1024

/* The own input goes through the read buffer while it is below the first, or while it and what its command is
 * known to need are below the second. */
#define SHARED_ALWAYS_MAX (READ_BUFFER_SIZE / 4)
#define SHARED_WHOLE_MAX  (READ_BUFFER_SIZE / 4 * 3)
/* Bytes to ask for when reading directly behind the own input. */
#define DIRECT_READ_MIN (32 * 1024)
#define DIRECT_READ_MAX (1024 * 1024)
/* Bytes of a large argument read in one go: others wait for that long. */
#define BLOB_READ_MAX (256 * 1024)

/* --- parsers ----------------------------------------------------------------------------------------- */

/* A parser has something to remember only while a command is partly received, so most connections have none.
 */

static void parser_take(struct connection *connection)
{
    struct net *net = connection->net;
    if (connection->parser == NULL)
        connection->parser = net->parser_count > 0 ? net->parsers[--net->parser_count] : parser_new();
}

static void parser_give_back(struct connection *connection)
{
    struct net *net = connection->net;
    if (connection->parser == NULL)
        return;
    if (net->parser_count < PARSERS_KEPT) {
        parser_reuse(connection->parser);
        net->parsers[net->parser_count++] = connection->parser;
    } else {
        parser_free(connection->parser);
    }
    connection->parser = NULL;
}

void parsers_free(struct net *net)
{
    while (net->parser_count > 0)
        parser_free(net->parsers[--net->parser_count]);
}

void connection_drop_input(struct connection *connection)
{
    parser_give_back(connection);
    input_free(&connection->input);
}

/* --- a turn ------------------------------------------------------------------------------------------ */

enum turn_end {
    TURN_GOES_ON,
    TURN_HUNGRY,  /* all that is complete has run */
    TURN_OVER,    /* there may be more, but others are waiting */
    TURN_PAUSED,  /* the rest begins with a command that could not be run now */
    TURN_BLOCKED, /* the session waits */
    TURN_STOPPED  /* nothing more is to be run */
};

struct turn {
    struct connection *connection;
    struct slice rest; /* of the input: not yet run */
    bool put_back;     /* the parser has blobs for the rest */
    int commands_left;
    uint64_t queued_max;
};

/* Up to where its output may grow before others have their turn. */
static uint64_t output_end(const struct connection *connection)
{
    return connection->output.queued + (connection->is_stranger ? TURN_STRANGER_OUTPUT_MAX : TURN_OUTPUT_MAX);
}

static void turn_advance(struct turn *turn, size_t size)
{
    turn->rest.data += size;
    turn->rest.size -= size;
    turn->connection->net->running_input = turn->rest;
}

static void attack_suspected(struct connection *connection)
{
    uint64_t left_out;
    if (!log_is_due(connection->net, &connection->net->attack_log, &left_out))
        return;
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(DIAG_WARNING,
         "Possible SECURITY ATTACK detected: somebody sends HTTP requests (POST or Host:) to this server, as "
         "when a "
         "web page makes its visitor's browser talk to it (cross protocol scripting). Connection closed: %s",
         text);
}

static void request_too_large(struct connection *connection)
{
    struct net *net = connection->net;
    uint64_t left_out;
    net->stats.closed_query_limit++;
    if (!log_is_due(net, &net->query_log, &left_out))
        return;
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(DIAG_WARNING,
         "Closing client %s: its command is larger than client-query-buffer-limit (%llu others were closed "
         "for "
         "that since the last such line)",
         text, (unsigned long long)left_out);
}

static void protocol_error(struct connection *connection)
{
    if (parser_saw_too_large(connection->parser))
        request_too_large(connection);
    if (parser_saw_http(connection->parser)) {
        attack_suspected(connection);
        connection_close(connection);
        return;
    }
    const char *error = parser_error(connection->parser);
    connection_log(connection, error, 0);
    output_append(&connection->output, "-ERR ", 5);
    output_append(&connection->output, error, strlen(error));
    output_append(&connection->output, "\r\n", 2);
}

/* What one command's result means for the rest of the turn. */
static enum turn_end turn_after(struct turn *turn, enum dispatch_result result)
{
    struct connection *connection = turn->connection;
    turn->commands_left--;
    if (output_overflowed(&connection->output))
        connection_check_output(connection);
    if (result == DISPATCH_WAIT)
        return TURN_PAUSED;
    if (result == DISPATCH_CLOSE || connection->session->close_after_reply || connection->condemned)
        return TURN_STOPPED;
    if (result == DISPATCH_BLOCKED)
        return TURN_BLOCKED;
    bool goes_on = connection->output.queued < turn->queued_max && !session_turn_is_long(connection->session);
    return goes_on ? TURN_GOES_ON : TURN_OVER;
}

/* Executes framed requests, up to the first after which the turn does not go on; *used: up to where. */
static enum turn_end turn_execute(struct turn *turn, int count, size_t *used)
{
    struct connection *connection = turn->connection;
    const struct net_handler *handler = &connection->net->handler;
    const struct request *requests[REQUEST_BATCH_MAX];
    struct prepared prepared[REQUEST_BATCH_MAX];
    ASSERT(count <= REQUEST_BATCH_MAX);
    for (int i = 0; i < count; i++)
        requests[i] = parser_request(connection->parser, i);
    handler->prepare(handler->context, connection->session, requests, prepared, count);
    for (int i = 0; i < count; i++) {
        enum dispatch_result result =
            handler->execute(handler->context, connection->session, requests[i], &prepared[i]);
        enum turn_end end = turn_after(turn, result);
        if (end == TURN_PAUSED) {
            turn->put_back = parser_put_back(connection->parser, requests[i]);
            *used = requests[i]->begin;
            return end;
        }
        parser_blobs_drop(connection->parser, requests[i]);
        if (end != TURN_GOES_ON) {
            *used = requests[i]->end;
            return end;
        }
    }
    return TURN_GOES_ON;
}

static enum turn_end turn_batch(struct turn *turn)
{
    struct connection *connection = turn->connection;
    struct parser_limits limits = connection->net->limits.parser;
    if (connection_know(connection))
        turn->queued_max = output_end(connection);
    limits.unauthenticated = connection->is_stranger;
    int count = 0;
    size_t used = 0;
    enum parse_end parsed = parser_run(connection->parser, turn->rest, &limits, &count, &used);
    enum turn_end end = count > 0 ? turn_execute(turn, count, &used) : TURN_GOES_ON;
    ASSERT(used <= turn->rest.size);
    turn_advance(turn, used);
    if (end != TURN_GOES_ON)
        return end;
    switch (parsed) {
    case PARSE_MORE: return TURN_HUNGRY;
    case PARSE_FULL: return turn->commands_left > 0 ? TURN_GOES_ON : TURN_OVER;
    case PARSE_ERROR: protocol_error(connection); return TURN_STOPPED;
    }
    return TURN_STOPPED;
}

/* Where a turn leaves its connection. */
static enum run_state turn_state(const struct turn *turn, enum turn_end end)
{
    bool goes_on = end == TURN_OVER || end == TURN_HUNGRY;
    if (goes_on && connection_is_unread(turn->connection))
        return RUN_UNREAD;
    switch (end) {
    case TURN_OVER: return turn->rest.size > 0 ? RUN_READY : RUN_IDLE;
    case TURN_PAUSED: return RUN_PAUSED;
    case TURN_BLOCKED: return RUN_BLOCKED;
    case TURN_STOPPED: return RUN_STOPPED;
    default: return RUN_IDLE;
    }
}

static void out_of_memory(struct connection *connection)
{
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(DIAG_WARNING, "Closing client %s: out of memory for its input (%zu bytes so far)", text,
         input_size(&connection->input));
    connection_close(connection);
}

/* Only a command that is partly there is worth remembering; the beginning of one that was put off is parsed
 * again, but for its blobs. */
static bool parser_keep(const struct turn *turn, enum turn_end end)
{
    if (end == TURN_HUNGRY && turn->rest.size > 0) {
        parser_trim(turn->connection->parser);
        return true;
    }
    return end == TURN_PAUSED && turn->put_back;
}

/* Leaves behind what the connection needs to go on. False when there is no memory for it. */
static bool turn_keep(struct turn *turn, enum turn_end end)
{
    struct connection *connection = turn->connection;
    if (!parser_keep(turn, end))
        parser_give_back(connection);
    else if (end == TURN_HUNGRY &&
             !parser_blob_begin(connection->parser, turn->rest, RECEIVE_BLOB_MIN, &turn->rest.size))
        return false;
    return input_keep(&connection->input, turn->rest);
}

static void turn_settle(struct turn *turn, enum turn_end end)
{
    struct connection *connection = turn->connection;
    if (connection->condemned) {
        connection_close(connection);
        return;
    }
    if (end == TURN_STOPPED) {
        connection_drop_input(connection);
    } else if (!turn_keep(turn, end)) {
        out_of_memory(connection);
        return;
    }
    connection_count_output(connection);
    connection_set_run(connection, turn_state(turn, end));
    connection_replied(connection);
}

/* It is one of those that this round serves. */
static void connection_served(struct connection *connection)
{
    struct net *net = connection->net;
    if (net->ran_last != connection)
        net->rounds_of_one = 0;
    net->ran_last = connection;
}

static void connection_run(struct connection *connection, struct slice input)
{
    struct net *net = connection->net;
    struct turn turn = {.connection = connection,
                        .rest = input,
                        .commands_left = TURN_COMMANDS_MAX,
                        .queued_max = output_end(connection)};
    recent_max_note(net, &net->input_recent, input.size);
    parser_take(connection);
    connection_served(connection);
    connection->session->turn_ticks = 0;
    net->running = connection;
    net->running_input = input;
    enum turn_end end;
    do {
        end = turn_batch(&turn);
    } while (end == TURN_GOES_ON);
    net->running = NULL;
    turn_settle(&turn, end);
}

void connection_continue(struct connection *connection)
{
    connection_run(connection, input_slice(&connection->input));
}

/* --- reading ----------------------------------------------------------------------------------------- */

/* Reads into the common buffer, behind a copy of what the connection has. */
static ssize_t read_shared(struct connection *connection, struct slice *input)
{
    struct slice old = input_slice(&connection->input);
    char *buffer = connection->net->read_buffer;
    /* The parser refuses what does not fit into this. */
    size_t room = connection->is_stranger ? STRANGER_INPUT_MAX : READ_BUFFER_SIZE;
    if (old.size > 0)
        memcpy(buffer, old.data, old.size);
    room = room > old.size ? room - old.size : 1;
    ssize_t size =
        connection->transport->read(connection->transport_state, connection->fd, buffer + old.size, room);
    if (size > 0)
        *input = slice_make(buffer, old.size + (size_t)size);
    return size;
}

static size_t clamp(uint64_t value, size_t min, size_t max)
{
    return value < min ? min : value > max ? max : (size_t)value;
}

/* Reads behind what the connection has, in its own memory. */
static ssize_t read_direct(struct connection *connection, uint64_t wants, struct slice *input)
{
    struct input *own = &connection->input;
    size_t used = input_size(own);
    size_t need = clamp(wants, 1, DIRECT_READ_MIN);
    /* By a half at least, so that many arguments cost no more copying than one large one. */
    if (own->capacity - used < need)
        need = clamp(wants > used / 2 ? wants : used / 2, DIRECT_READ_MIN,
                     used > READ_BUFFER_SIZE ? used : READ_BUFFER_SIZE);
    if (!input_reserve(own, need)) {
        errno = ENOMEM;
        return -1;
    }
    size_t room = own->capacity - own->end;
    /* Not more than the large argument needs: what follows it is better read into the common buffer. */
    if (wants >= DIRECT_READ_MIN && room > wants)
        room = (size_t)wants;
    ssize_t size = connection->transport->read(connection->transport_state, connection->fd,
                                               own->data + own->end, clamp(room, 1, DIRECT_READ_MAX));
    if (size > 0) {
        own->end += (size_t)size;
        *input = input_slice(own);
    }
    return size;
}

static ssize_t read_input(struct connection *connection, struct slice *input)
{
    size_t used = input_size(&connection->input);
    uint64_t wants = connection->parser != NULL ? parser_wants(connection->parser) : 0;
    if (used < SHARED_ALWAYS_MAX || (used < SHARED_WHOLE_MAX && wants < SHARED_WHOLE_MAX - used))
        return read_shared(connection, input);
    return read_direct(connection, wants, input);
}

/* Reads on into the blob of a large argument. What follows it is read at once, as it is there as a rule;
 * until then there is nothing to run, and input is left empty. */
static ssize_t read_blob(struct connection *connection, struct slice *input)
{
    struct parser *parser = connection->parser;
    size_t room;
    char *data = parser_blob_room(parser, &room);
    if (data == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t size = connection->transport->read(connection->transport_state, connection->fd, data,
                                               clamp(room, 1, BLOB_READ_MAX));
    if (size <= 0)
        return size;
    parser_blob_received(parser, (size_t)size);
    recent_max_note(connection->net, &connection->net->input_recent, parser_blob_size(parser));
    connection_served(connection);
    if (parser_blob_wants(parser))
        return size;
    ssize_t behind = read_input(connection, input);
    return behind > 0 ? size + behind : size;
}

/* The client sends nothing more. It may still be listening: somebody who pipes commands in shuts down his
 * sending side at the end and waits for the replies. */
static void input_ended(struct connection *connection)
{
    connection_log(connection, "Client closed connection", 0);
    if (output_pending(&connection->output) > 0)
        connection_close_after_reply(connection);
    else
        connection_close(connection);
}

void connection_receive(struct connection *connection)
{
    struct slice input = {0};
    bool blob = connection->parser != NULL && parser_blob_wants(connection->parser);
    ssize_t size = blob ? read_blob(connection, &input) : read_input(connection, &input);
    if (size > 0) {
        connection->net->stats.bytes_in += (uint64_t)size;
        connection->net->stats.reads++;
        connection_touch(connection);
        if (input.size > 0)
            connection_run(connection, input);
    } else if (size == 0) {
        input_ended(connection);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        connection_log(connection, "Reading from client", errno);
        connection_close(connection);
    }
}
