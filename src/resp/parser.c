#include "resp/parser.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"

/* Arguments that a parser keeps room for from batch to batch: enough for a pipeline of commands with many, as
 * those that set all fields of small hashes are. Going back and forth between little room and this costs more
 * than the copying: what is freed each time is cut up by what the commands allocate, and the next room is
 * fresh pages. And arguments that it keeps room for while a connection rests with a part of a command. */
#define ARGS_KEEP_BATCH ((size_t)2048)
#define ARGS_KEEP       ((size_t)256)
#define ARGS_FIRST      ((size_t)16)
#define REQUESTS_FIRST  4

#define UNAUTHENTICATED_ARGS_MAX 10
#define UNAUTHENTICATED_BULK_MAX 16384

/* The words of one inline command, unquoted, one after another: the only arguments that are not slices of the
 * input. */
struct inline_text {
    struct inline_text *next;
    size_t size;
    char data[];
};

/* Room that a blob begins with. All of its room follows when so much has really come: that then is one step,
 * which moves little, and costs a client that stalls afterwards address space only, since pages that nobody
 * has written to take no memory. */
#define BLOB_FIRST ((size_t)1 << 20)

struct parser {
    /* The arguments of the framed requests, and behind them those of the command being received. The latter's
     * data are offsets from the command's first byte until it is complete, since the input may move in
     * between. */
    struct slice *args;
    size_t args_count;
    size_t args_capacity;

    /* Their argv are set when the batch ends: until then args may move. */
    struct request *requests;
    int requests_count;
    int requests_capacity;
    struct inline_text *inline_texts;

    /* The command being received. Counts are from its first byte. */
    size_t args_begin; /* its first argument in args */
    size_t position;   /* framed up to here */
    size_t scanned;    /* bytes behind position known to hold no line end */
    bool unauthenticated;
    int64_t args_left; /* 0 when its header has not been read */
    int64_t bulk_size; /* of the argument being received; -1 when its header has not been read */
    uint64_t wants;
    bool canonical;

    /* Arguments that are blobs, by index: of the first request that was framed, or, when none is framed, of
     * the command being received, which then is the first in the input. The last may not be complete. */
    struct request_blob *blobs;
    int blob_count;
    int blob_capacity;
    bool blobs_framed; /* they belong to a request that was framed */
    int blobs_seen;    /* how many of them the command being received has come to */
    size_t blob_bytes; /* in those that were seen */
    size_t untouched;  /* of the last one, until it is complete: room that no byte has come for */

    bool saw_http;
    bool saw_too_large;
    char error[64];
};

/* What came of trying to go on with a command. */
enum step { STEP_DONE, STEP_MORE, STEP_ERROR };

struct parser *parser_new(void)
{
    struct parser *parser = mem_alloc_zero(sizeof(*parser));
    parser_rewind(parser);
    return parser;
}

/* --- blobs ------------------------------------------------------------------------------------------- */

struct blob *request_blob_find(const struct request_blob *blobs, int count, int index)
{
    while (count > 0) {
        int half = count / 2;
        if (blobs[half].index == index)
            return blobs[half].blob;
        if (blobs[half].index < index) {
            blobs += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return NULL;
}

static void untouched_set(struct parser *parser, size_t size)
{
    if (size == parser->untouched)
        return;
    memory_untouched_change((int64_t)size - (int64_t)parser->untouched);
    parser->untouched = size;
}

static void blobs_free(struct parser *parser)
{
    for (int i = 0; i < parser->blob_count; i++)
        blob_drop(parser->blobs[i].blob);
    mem_free(parser->blobs);
    untouched_set(parser, 0);
    parser->blobs = NULL;
    parser->blob_count = parser->blob_capacity = parser->blobs_seen = 0;
    parser->blobs_framed = false;
}

/* The index of the argument being received. */
static int arg_index(const struct parser *parser)
{
    return (int)(parser->args_count - parser->args_begin);
}

/* The blob of the argument being received, NULL when its bytes are in the input. */
static struct blob *arg_blob(const struct parser *parser)
{
    if (parser->blobs_seen == parser->blob_count || parser->blobs_framed)
        return NULL;
    const struct request_blob *next = &parser->blobs[parser->blobs_seen];
    return next->index == arg_index(parser) ? next->blob : NULL;
}

static void blob_add(struct parser *parser, struct blob *blob)
{
    if (parser->blob_count == parser->blob_capacity) {
        parser->blob_capacity = parser->blob_capacity == 0 ? 1 : parser->blob_capacity * 2;
        parser->blobs =
            mem_realloc(parser->blobs, (size_t)parser->blob_capacity * sizeof(struct request_blob));
    }
    parser->blobs[parser->blob_count++] = (struct request_blob){arg_index(parser), blob};
}

/* --- life -------------------------------------------------------------------------------------------- */

static void inline_texts_free(struct parser *parser)
{
    for (struct inline_text *text = parser->inline_texts, *next; text != NULL; text = next) {
        next = text->next;
        mem_free(text);
    }
    parser->inline_texts = NULL;
}

void parser_free(struct parser *parser)
{
    if (parser == NULL)
        return;
    inline_texts_free(parser);
    blobs_free(parser);
    mem_free(parser->args);
    mem_free(parser->requests);
    mem_free(parser);
}

/* Makes ready for the next command, which begins behind what was framed so far. */
static void command_reset(struct parser *parser)
{
    parser->args_begin = parser->args_count;
    parser->position = 0;
    parser->scanned = 0;
    parser->args_left = 0;
    parser->bulk_size = -1;
    parser->wants = 0;
    parser->canonical = true;
    parser->blobs_seen = 0;
    parser->blob_bytes = 0;
}

void parser_rewind(struct parser *parser)
{
    if (parser->blob_count > 0 && !parser->blobs_framed)
        blobs_free(parser);
    parser->args_count = parser->args_begin;
    command_reset(parser);
}

static enum step parser_fail(struct parser *parser, const char *text)
{
    snprintf(parser->error, sizeof(parser->error), "Protocol error: %s", text);
    parser_rewind(parser);
    return STEP_ERROR;
}

static __attribute__((noinline)) void args_grow(struct parser *parser)
{
    parser->args_capacity = parser->args_capacity == 0 ? ARGS_FIRST : parser->args_capacity * 2;
    parser->args = mem_realloc(parser->args, parser->args_capacity * sizeof(struct slice));
}

static inline void args_add(struct parser *parser, const char *data, size_t size)
{
    if (__builtin_expect(parser->args_count == parser->args_capacity, 0))
        args_grow(parser);
    parser->args[parser->args_count++] = (struct slice){data, size};
}

static void request_add(struct parser *parser, struct slice raw, size_t begin, size_t end)
{
    if (parser->requests_count == parser->requests_capacity) {
        parser->requests_capacity =
            parser->requests_capacity == 0 ? REQUESTS_FIRST : parser->requests_capacity * 2;
        parser->requests =
            mem_realloc(parser->requests, (size_t)parser->requests_capacity * sizeof(struct request));
    }
    struct request *request = &parser->requests[parser->requests_count++];
    *request = (struct request){.argc = arg_index(parser), .raw = raw, .begin = begin, .end = end};
    if (parser->blobs_seen > 0) {
        ASSERT(parser->requests_count == 1 && parser->blobs_seen == parser->blob_count);
        request->blobs = parser->blobs;
        request->blob_count = parser->blob_count;
        parser->blobs_framed = true;
    }
}

/* Forgets the framed requests; keeps room for so many arguments. */
static void requests_drop(struct parser *parser, size_t args_keep)
{
    inline_texts_free(parser);
    if (parser->blobs_framed)
        blobs_free(parser);
    parser->requests_count = 0;
    size_t partial = parser->args_count - parser->args_begin;
    if (parser->args_begin > 0 && partial > 0)
        memmove(parser->args, parser->args + parser->args_begin, partial * sizeof(struct slice));
    parser->args_begin = 0;
    parser->args_count = partial;
    if (parser->args_capacity > args_keep && partial <= args_keep) {
        parser->args_capacity = args_keep;
        parser->args = mem_realloc(parser->args, args_keep * sizeof(struct slice));
    }
}

void parser_trim(struct parser *parser)
{
    requests_drop(parser, ARGS_KEEP);
}

void parser_reuse(struct parser *parser)
{
    parser_rewind(parser);
    requests_drop(parser, ARGS_KEEP_BATCH);
}

/* A line may end a command that is as large as it may be before. */
static size_t line_max(const struct parser *parser)
{
    if (!parser->unauthenticated)
        return REQUEST_LINE_MAX;
    return parser->position < UNAUTHENTICATED_QUERY_MAX ? UNAUTHENTICATED_QUERY_MAX - parser->position : 0;
}

/* Looks for the line end that is due from the position on and tells its distance from there. What was looked
 * at once is not looked at again. A NUL hides all that follows, which so counts as a line that is too long in
 * the end. */
static enum step line_find(struct parser *parser, struct slice command, char line_end, size_t *length,
                           const char *too_long)
{
    const char *line = command.data + parser->position;
    size_t size = command.size - parser->position;
    size_t max = line_max(parser);
    size_t limit = size <= max ? size : max + 1;
    size_t at = parser->scanned;
    while (at < limit && line[at] != line_end && line[at] != '\0')
        at++;
    parser->scanned = at;
    if (at < limit && line[at] == line_end) {
        *length = at;
        return STEP_DONE;
    }
    return size > max ? parser_fail(parser, too_long) : STEP_MORE;
}

/* Reads a header's number where all of it is there and it looks as it nearly always does: digits, no sign, CR
 * LF. Returns the header's size, or 0 for all else. */
static inline size_t header_read_fast(const char *header, size_t size, int64_t *number)
{
    if (size < 4)
        return 0;
    unsigned value = (unsigned char)header[1] - (unsigned)'0';
    if (value > 9 || (value == 0 && header[2] != '\r'))
        return 0;
    size_t digits_end = size < 11 ? size - 1 : 10;
    for (size_t at = 2; at < digits_end; at++) {
        unsigned digit = (unsigned char)header[at] - (unsigned)'0';
        if (digit > 9) {
            *number = value;
            return header[at] == '\r' && header[at + 1] == '\n' ? at + 2 : 0;
        }
        value = value * 10 + digit;
    }
    return 0;
}

/* The general case: any length, cut anywhere. *number is the text behind the type, still to be judged. */
static enum step header_read_slow(struct parser *parser, struct slice command, const char *too_long,
                                  struct slice *number)
{
    size_t length;
    enum step step = line_find(parser, command, '\r', &length, too_long);
    if (step != STEP_DONE)
        return step;
    if (command.size - parser->position < length + 2)
        return STEP_MORE;
    const char *line = command.data + parser->position;
    /* The line may have nothing before its end, not even the type. */
    *number = length == 0 ? slice_make(line, 0) : slice_make(line + 1, length - 1);
    parser->canonical &= line[length + 1] == '\n';
    parser->position += length + 2;
    parser->scanned = 0;
    return STEP_DONE;
}

/* "*<count>\r\n". A count of 0 or below ends the command with no argument. */
static enum step array_header_read(struct parser *parser, struct slice command,
                                   const struct parser_limits *limits)
{
    int64_t count;
    size_t fast = header_read_fast(command.data, command.size, &count);
    if (fast > 0) {
        parser->position += fast;
        parser->scanned = 0;
    } else {
        struct slice number;
        enum step step = header_read_slow(parser, command, "too big mbulk count string", &number);
        if (step != STEP_DONE)
            return step;
        if (!int64_parse(number, &count))
            count = INT64_MAX;
    }
    if (count > INT32_MAX)
        return parser_fail(parser, "invalid multibulk length");
    if (limits->unauthenticated && count > UNAUTHENTICATED_ARGS_MAX)
        return parser_fail(parser, "unauthenticated multibulk length");
    parser->args_left = count > 0 ? count : 0;
    return STEP_DONE;
}

static enum step bulk_type_fail(struct parser *parser, char type)
{
    char text[32];
    snprintf(text, sizeof(text), "expected '$', got '%c'", type == '\r' || type == '\n' ? ' ' : type);
    return parser_fail(parser, text);
}

/* "$<size>\r\n". */
static enum step bulk_header_read(struct parser *parser, struct slice command,
                                  const struct parser_limits *limits)
{
    const char *header = command.data + parser->position;
    int64_t size;
    size_t fast = command.size == parser->position || header[0] != '$'
                      ? 0
                      : header_read_fast(header, command.size - parser->position, &size);
    if (fast > 0) {
        parser->position += fast;
        parser->scanned = 0;
    } else {
        struct slice number;
        enum step step = header_read_slow(parser, command, "too big bulk count string", &number);
        if (step != STEP_DONE)
            return step;
        if (header[0] != '$')
            return bulk_type_fail(parser, header[0]);
        if (!int64_parse(number, &size))
            size = -1;
    }
    if (size < 0 || (uint64_t)size > limits->bulk_max)
        return parser_fail(parser, "invalid bulk length");
    if (limits->unauthenticated && size > UNAUTHENTICATED_BULK_MAX)
        return parser_fail(parser, "unauthenticated bulk length");
    size_t kept = ((size_t)arg_index(parser) + 1) * sizeof(struct slice);
    uint64_t whole = parser->blob_bytes + parser->position + kept + 2 + (uint64_t)size;
    if (limits->unauthenticated && whole > UNAUTHENTICATED_QUERY_MAX)
        return parser_fail(parser, "unauthenticated request is too large");
    if (whole > limits->query_max) {
        parser->saw_too_large = true;
        return parser_fail(parser, "query buffer limit exceeded");
    }
    parser->bulk_size = size;
    return STEP_DONE;
}

/* The argument being received is complete, in its blob. */
static void blob_pass(struct parser *parser, size_t size)
{
    parser->blobs_seen++;
    parser->blob_bytes += size;
}

static enum step args_read(struct parser *parser, struct slice command, const struct parser_limits *limits)
{
    while (parser->args_left > 0) {
        if (parser->bulk_size < 0) {
            enum step step = bulk_header_read(parser, command, limits);
            if (step != STEP_DONE)
                return step;
        }
        size_t size = (size_t)parser->bulk_size;
        size_t there = command.size - parser->position;
        struct blob *blob = arg_blob(parser);
        size_t inside = blob == NULL ? size : 0;
        if (there < inside + 2 || parser_blob_wants(parser)) {
            parser->wants = size + 2 - there - (blob == NULL ? 0 : blob->size);
            return STEP_MORE;
        }
        const char *end = command.data + parser->position + inside;
        parser->canonical &= blob == NULL && end[0] == '\r' && end[1] == '\n';
        args_add(parser, (const char *)(uintptr_t)parser->position, size);
        if (blob != NULL)
            blob_pass(parser, size);
        parser->position += inside + 2;
        parser->bulk_size = -1;
        parser->args_left--;
    }
    return STEP_DONE;
}

static enum step multibulk_read(struct parser *parser, struct slice command,
                                const struct parser_limits *limits)
{
    if (parser->args_left == 0) {
        enum step step = array_header_read(parser, command, limits);
        if (step != STEP_DONE)
            return step;
    }
    enum step step = args_read(parser, command, limits);
    if (step != STEP_DONE)
        return step;
    for (size_t i = parser->args_begin; i < parser->args_count; i++)
        parser->args[i].data = command.data + (uintptr_t)parser->args[i].data;
    for (int i = 0; i < parser->blobs_seen; i++)
        parser->args[parser->args_begin + (size_t)parser->blobs[i].index].data = parser->blobs[i].blob->data;
    return STEP_DONE;
}

/* Packs the words into one piece of memory and adds them as arguments. */
static void inline_args_add(struct parser *parser, const struct buffer *words, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += words[i].size;
    struct inline_text *text = mem_alloc(sizeof(*text) + size);
    text->next = parser->inline_texts;
    text->size = size;
    parser->inline_texts = text;
    char *to = text->data;
    for (int i = 0; i < count; i++) {
        memcpy(to, words[i].data, words[i].size);
        args_add(parser, to, words[i].size);
        to += words[i].size;
    }
}

static bool is_http(struct slice first_word)
{
    return slice_is(first_word, "post") || slice_is(first_word, "host:");
}

static enum step inline_read(struct parser *parser, struct slice command)
{
    size_t length;
    enum step step = line_find(parser, command, '\n', &length, "too big inline request");
    if (step != STEP_DONE)
        return step;
    parser->position = length + 1;
    parser->canonical = false;
    struct buffer *words;
    length -= length > 0 && command.data[length - 1] == '\r';
    int count = words_split(slice_make(command.data, length), &words);
    if (count < 0)
        return parser_fail(parser, "unbalanced quotes in request");
    if (count > 0 && is_http(buffer_slice(&words[0]))) {
        words_free(words, count);
        parser->saw_http = true;
        return parser_fail(parser, "HTTP request");
    }
    if (count > 0)
        inline_args_add(parser, words, count);
    words_free(words, count);
    return STEP_DONE;
}

static void requests_set_argv(struct parser *parser)
{
    const struct slice *argv = parser->args;
    for (int i = 0; i < parser->requests_count; i++) {
        parser->requests[i].argv = argv;
        argv += parser->requests[i].argc;
    }
}

enum parse_end parser_run(struct parser *parser, struct slice input, const struct parser_limits *limits,
                          int *count, size_t *consumed)
{
    int batch_max = limits->unauthenticated ? 1 : REQUEST_BATCH_MAX;
    size_t begin = 0;
    enum step step = STEP_DONE;
    requests_drop(parser, ARGS_KEEP_BATCH);
    parser->wants = 0;
    parser->saw_http = parser->saw_too_large = false;
    parser->unauthenticated = limits->unauthenticated;
    while (begin < input.size && parser->requests_count < batch_max) {
        struct slice command = slice_make(input.data + begin, input.size - begin);
        step =
            command.data[0] == '*' ? multibulk_read(parser, command, limits) : inline_read(parser, command);
        if (step != STEP_DONE)
            break;
        size_t size = parser->position;
        if (parser->args_count > parser->args_begin)
            request_add(parser, slice_make(command.data, parser->canonical ? size : 0), begin, begin + size);
        begin += size;
        command_reset(parser);
    }
    requests_set_argv(parser);
    *count = parser->requests_count;
    *consumed = begin;
    if (step == STEP_ERROR)
        return PARSE_ERROR;
    return parser->requests_count == batch_max ? PARSE_FULL : PARSE_MORE;
}

/* --- receiving into blobs ---------------------------------------------------------------------------- */

bool parser_blob_begin(struct parser *parser, struct slice rest, size_t size_min, size_t *kept)
{
    *kept = rest.size;
    if (parser->bulk_size < 0 || (uint64_t)parser->bulk_size < size_min || arg_blob(parser) != NULL)
        return true;
    ASSERT(parser->requests_count == 0 && parser->position <= rest.size);
    size_t size = (size_t)parser->bulk_size;
    size_t there = rest.size - parser->position;
    /* All but its line break is there. */
    if (there >= size)
        return true;
    size_t room = there > BLOB_FIRST ? there : BLOB_FIRST;
    struct blob *blob = blob_new(size < room ? size : room);
    if (blob == NULL)
        return false;
    blob_add(parser, blob);
    memcpy(blob->data, rest.data + parser->position, there);
    parser_blob_received(parser, there);
    *kept = parser->position;
    return true;
}

bool parser_blob_wants(const struct parser *parser)
{
    const struct blob *blob = arg_blob(parser);
    return blob != NULL && parser->bulk_size >= 0 && blob->size < (uint64_t)parser->bulk_size;
}

char *parser_blob_room(struct parser *parser, size_t *size)
{
    ASSERT(parser_blob_wants(parser));
    struct blob *blob = arg_blob(parser);
    if (blob->size == blob->capacity) {
        if (!blob_reserve(blob, (size_t)parser->bulk_size))
            return NULL;
        untouched_set(parser, blob_untouched(blob));
    }
    *size = blob->capacity - blob->size;
    return blob->data + blob->size;
}

void parser_blob_received(struct parser *parser, size_t size)
{
    struct blob *blob = arg_blob(parser);
    ASSERT(blob != NULL && size <= blob->capacity - blob->size);
    blob->size += size;
    untouched_set(parser, parser_blob_wants(parser) ? blob_untouched(blob) : 0);
}

bool parser_put_back(struct parser *parser, const struct request *request)
{
    if (request->blob_count == 0)
        return false;
    ASSERT(parser->requests_count > 0 && request == &parser->requests[0]);
    parser->requests_count = 0;
    parser->blobs_framed = false;
    parser->args_begin = parser->args_count = 0;
    command_reset(parser);
    return true;
}

void parser_blobs_drop(struct parser *parser, const struct request *request)
{
    if (request->blob_count > 0)
        blobs_free(parser);
}

size_t parser_blob_size(const struct parser *parser)
{
    size_t size = 0;
    for (int i = 0; i < parser->blob_count; i++)
        size += parser->blobs[i].blob->size;
    return size;
}

/* --- asking ------------------------------------------------------------------------------------------ */

const struct request *parser_request(const struct parser *parser, int index)
{
    ASSERT(index >= 0 && index < parser->requests_count);
    return &parser->requests[index];
}

const char *parser_error(const struct parser *parser)
{
    return parser->error;
}

bool parser_saw_http(const struct parser *parser)
{
    return parser->saw_http;
}

bool parser_saw_too_large(const struct parser *parser)
{
    return parser->saw_too_large;
}

uint64_t parser_wants(const struct parser *parser)
{
    return parser->wants;
}

size_t parser_memory(const struct parser *parser)
{
    size_t memory = sizeof(*parser) + parser->args_capacity * sizeof(struct slice) +
                    (size_t)parser->blob_capacity * sizeof(struct request_blob) +
                    (size_t)parser->requests_capacity * sizeof(struct request);
    for (const struct inline_text *text = parser->inline_texts; text != NULL; text = text->next)
        memory += sizeof(*text) + text->size;
    return memory;
}
