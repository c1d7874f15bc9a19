/* Framing of requests: what is one, what is an error, and that neither depends on how the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "resp/parser.h"

static const struct parser_limits roomy = {.bulk_max = 512 << 20, .query_max = 1 << 30};

#define PING "*1\r\n$4\r\nPING\r\n"

/* Writes down all that came of some input as text: arguments, whether raw was there, the error, what was left
 * over. */
struct transcript {
    struct buffer text;
    bool ended;
};

static void record_request(struct transcript *transcript, const struct request *request, struct slice input)
{
    for (int i = 0; i < request->argc; i++) {
        buffer_append_quoted(&transcript->text, request->argv[i]);
        buffer_append_char(&transcript->text, ' ');
    }
    assert_true(request->begin < request->end && request->end <= input.size);
    if (request->raw.size > 0) {
        assert_ptr_equal(request->raw.data, input.data + request->begin);
        assert_int_equal(request->raw.size, request->end - request->begin);
        buffer_append_text(&transcript->text, "raw");
    }
    buffer_append_char(&transcript->text, '\n');
}

/* Runs the parser over input until it wants more, and drops what it consumed. */
static void run_all(struct parser *parser, struct buffer *input, const struct parser_limits *limits,
                    struct transcript *transcript)
{
    for (enum parse_end end = PARSE_FULL; end == PARSE_FULL;) {
        /* A copy of exactly that size, at another place each time: reading outside of it is found. */
        char *copy = mem_alloc(input->size);
        memcpy(copy, input->data, input->size);
        struct slice slice = slice_make(copy, input->size);
        int count;
        size_t consumed;
        end = parser_run(parser, slice, limits, &count, &consumed);
        assert_true(consumed <= input->size);
        for (int i = 0; i < count; i++)
            record_request(transcript, parser_request(parser, i), slice);
        buffer_consume(input, consumed);
        mem_free(copy);
        if (end == PARSE_ERROR) {
            buffer_append_format(&transcript->text, "error: %s%s\n", parser_error(parser),
                                 parser_saw_http(parser) ? " (HTTP)" : "");
            transcript->ended = true;
        }
    }
}

/* Feeds the bytes in pieces that next_piece sizes. The caller frees the transcript. */
static struct buffer transcribe(struct slice bytes, const struct parser_limits *limits,
                                size_t (*next_piece)(void *context), void *context)
{
    struct parser *parser = parser_new();
    struct buffer input = {0};
    struct transcript transcript = {0};
    for (size_t at = 0; at < bytes.size && !transcript.ended;) {
        size_t piece = next_piece(context);
        piece = piece > bytes.size - at ? bytes.size - at : piece;
        buffer_append(&input, bytes.data + at, piece);
        at += piece;
        run_all(parser, &input, limits, &transcript);
    }
    if (!transcript.ended)
        buffer_append_format(&transcript.text, "left: %zu\n", input.size);
    buffer_free(&input);
    parser_free(parser);
    return transcript.text;
}

static size_t whole_piece(void *context)
{
    (void)context;
    return SIZE_MAX;
}

static size_t one_byte(void *context)
{
    (void)context;
    return 1;
}

/* The first piece as given, then all the rest. */
static size_t cut_once(void *context)
{
    size_t *first = context;
    size_t piece = *first;
    *first = SIZE_MAX;
    return piece;
}

static size_t random_piece(void *context)
{
    return 1 + random_below(context, 1 + random_below(context, 40));
}

struct example {
    const char *bytes;
    size_t size;
    const char *transcript;
};

#define EXAMPLE(bytes, transcript)           \
    {                                        \
        bytes, sizeof(bytes) - 1, transcript \
    }
#define PING_RAW "\"PING\" raw\n"

/* Each as redis-server 7.0.15 answers it. */
static const struct example examples[] = {
    EXAMPLE("", "left: 0\n"),
    EXAMPLE(PING, PING_RAW "left: 0\n"),
    EXAMPLE(PING PING "PING\r\n", PING_RAW PING_RAW "\"PING\" \nleft: 0\n"),
    EXAMPLE("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n", "\"SET\" \"\" \"a\\r\\nb\" raw\nleft: 0\n"),
    EXAMPLE("*1\r\n$0\r\n\r\n" PING, "\"\" raw\n" PING_RAW "left: 0\n"),
    EXAMPLE("*2\r\n$12\r\nabcdefghijkl\r\n$3\r\n\0\xff*\r\n",
            "\"abcdefghijkl\" \"\\x00\\xff*\" raw\nleft: 0\n"),
    /* Inline. */
    EXAMPLE("PING\n", "\"PING\" \nleft: 0\n"),
    EXAMPLE("  set k\t\"a \\x41\\n\" 'b\\''\r\n", "\"set\" \"k\" \"a A\\n\" \"b'\" \nleft: 0\n"),
    EXAMPLE("PING\rx\r\n", "\"PING\" \"x\" \nleft: 0\n"),
    EXAMPLE("\"\"\r\n" PING, "\"\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("PI", "left: 2\n"),
    /* Nothings. */
    EXAMPLE("\r\n\n\r\r\n \t\v\r\n" PING, PING_RAW "left: 0\n"),
    EXAMPLE("*0\r\n*-5\r\n*-9223372036854775808\r\n*0\rX" PING, PING_RAW "left: 0\n"),
    /* What ends an argument or a header is not looked at, but the form is not canonical then. */
    EXAMPLE("*1\rX$4\rXPINGXX" PING, "\"PING\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("*1\rX$4\r\nPING\r\n" PING, "\"PING\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("*1\r\n$4\rXPING\r\n" PING, "\"PING\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("*1\r\n$4\r\nPING\r\r" PING, "\"PING\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("*1\r\n$4\r\nPING\n\n" PING, "\"PING\" \n" PING_RAW "left: 0\n"),
    EXAMPLE("*1\n$4\nPING\n", "left: 11\n"),
    EXAMPLE("*1\r", "left: 3\n"),
    EXAMPLE("*1\r\n$4\r\nPING\r", "left: 13\n"),
    EXAMPLE("*2147483647\r\n", "left: 13\n"),
    EXAMPLE("*1\r\n$536870912\r\nx", "left: 17\n"),
    EXAMPLE("*1\r\nx", "left: 5\n"),
    /* A NUL hides the end of its line. */
    EXAMPLE("PI\0NG\r\n", "left: 7\n"),
    EXAMPLE("*1\0\r\n", "left: 5\n"),
    EXAMPLE("*1\r\n\0\r\n", "left: 7\n"),
    EXAMPLE("*1\r\n$4\0\r\n", "left: 9\n"),
    /* Errors. */
    EXAMPLE("*+1\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*01\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*-0\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("* 1\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*-\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*12x\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*2147483648\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*-9223372036854775809\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*99999999999999999999999\r\n", "error: Protocol error: invalid multibulk length\n"),
    EXAMPLE("*1\r\n:4\r\n", "error: Protocol error: expected '$', got ':'\n"),
    EXAMPLE("*1\r\n\r\n", "error: Protocol error: expected '$', got ' '\n"),
    EXAMPLE("*1\r\n\nx\r\n", "error: Protocol error: expected '$', got ' '\n"),
    EXAMPLE("*1\r\n\x01\r\n", "error: Protocol error: expected '$', got '\x01'\n"),
    EXAMPLE("*1\r\n\xff\r\n", "error: Protocol error: expected '$', got '\xff'\n"),
    EXAMPLE("*1\r\n$-1\r\n", "error: Protocol error: invalid bulk length\n"),
    EXAMPLE("*1\r\n$536870913\r\n", "error: Protocol error: invalid bulk length\n"),
    EXAMPLE("*1\r\n$4a\r\n", "error: Protocol error: invalid bulk length\n"),
    EXAMPLE("*1\r\n$\r\n", "error: Protocol error: invalid bulk length\n"),
    EXAMPLE("*1\r\n$04\r\n", "error: Protocol error: invalid bulk length\n"),
    EXAMPLE(PING "*2\r\n$1\r\na\r\n$99999999999999999999\r\n",
            PING_RAW "error: Protocol error: invalid bulk length\n"),
    EXAMPLE("\"PING\r\n", "error: Protocol error: unbalanced quotes in request\n"),
    EXAMPLE(PING "PING 'x'y\r\n" PING, PING_RAW "error: Protocol error: unbalanced quotes in request\n"),
    /* Browsers. */
    EXAMPLE("POST / HTTP/1.1\r\n", "error: Protocol error: HTTP request (HTTP)\n"),
    EXAMPLE(PING "hoSt: localhost\r\n", PING_RAW "error: Protocol error: HTTP request (HTTP)\n"),
    EXAMPLE("POSTS\r\n", "\"POSTS\" \nleft: 0\n"),
};

static void assert_transcript(struct slice bytes, const struct parser_limits *limits, const char *expected,
                              size_t (*next_piece)(void *context), void *context)
{
    struct buffer text = transcribe(bytes, limits, next_piece, context);
    if (!slice_equal(buffer_slice(&text), slice_of(expected))) {
        struct buffer quoted = {0};
        buffer_append_quoted(&quoted, bytes);
        fail_msg("%.*s gave\n%.*snot\n%s", (int)quoted.size, quoted.data, (int)text.size, text.data,
                 expected);
    }
    buffer_free(&text);
}

/* Every example gives what it should, in one piece. */
static void examples_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
        assert_transcript(slice_make(examples[i].bytes, examples[i].size), &roomy, examples[i].transcript,
                          whole_piece, NULL);
}

/* The same when cut in two at each place, and byte by byte. */
static void cuts_make_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct slice bytes = slice_make(examples[i].bytes, examples[i].size);
        assert_transcript(bytes, &roomy, examples[i].transcript, one_byte, NULL);
        for (size_t cut = 1; cut < bytes.size; cut++) {
            size_t first = cut;
            assert_transcript(bytes, &roomy, examples[i].transcript, cut_once, &first);
        }
    }
}

/* Appends something that is, nearly always, a command or close to one. */
static void append_fragment(struct buffer *bytes, struct random *random)
{
    static const char *const fragments[] = {
        PING,     "PING\r\n",  "\r\n",    "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n",
        "*0\r\n", "*-1\r\n",   "$",       "*1\r\n$0\r\n\r\n",
        "\r",     "*11\r\n",   "echo 'a", "*1\r\n$17\r\n0123456789abcdefg\r\n",
        "\n",     "$-1\r\n",   "post ",   "*1000000\r\n",
        "x",      "$1000\r\n", "\"\\x00", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    };
    size_t kind = random_below(random, 30);
    if (kind < sizeof(fragments) / sizeof(fragments[0]))
        buffer_append_text(bytes, fragments[kind]);
    else if (kind < 27) /* as if it were a fine pipeline */
        buffer_append_text(bytes, fragments[random_below(random, 4)]);
    else
        buffer_append_char(bytes, (char)random_next(random));
}

/* Random input, cut at random places, gives what it gives in one piece; nothing is read that is not there. */
static void garbage_is_handled(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 7);
    struct parser_limits limits = {.bulk_max = 500, .query_max = 600};
    for (int round = 0; round < 5000; round++) {
        struct buffer bytes = {0};
        size_t fragments = random_below(&random, 150);
        for (size_t i = 0; i < fragments; i++)
            append_fragment(&bytes, &random);
        limits.unauthenticated = round % 3 == 0;
        struct buffer whole = transcribe(buffer_slice(&bytes), &limits, whole_piece, NULL);
        struct buffer cut = transcribe(buffer_slice(&bytes), &limits, random_piece, &random);
        if (!slice_equal(buffer_slice(&whole), buffer_slice(&cut)))
            fail_msg("round %d: whole\n%.*s\ncut\n%.*s", round, (int)whole.size, whole.data, (int)cut.size,
                     cut.data);
        buffer_free(&whole);
        buffer_free(&cut);
        buffer_free(&bytes);
    }
}

/* prefix, then count times c, then suffix. */
static struct buffer long_line(const char *prefix, size_t count, char c, const char *suffix)
{
    struct buffer line = {0};
    buffer_append_text(&line, prefix);
    memset(buffer_reserve(&line, count), c, count);
    line.size += count;
    buffer_append_text(&line, suffix);
    return line;
}

static size_t large_pieces(void *context)
{
    (void)context;
    return 16384;
}

/* Lines end within 64 KiB or are an error, however they arrive. */
static void lines_have_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        size_t count;
        char c;
        const char *suffix;
        const char *transcript;
    } lines[] = {
        {"", 65536, 'a', "", "left: 65536\n"},
        {"", 65537, 'a', "", "error: Protocol error: too big inline request\n"},
        {"", 65537, ' ', "\r\n", "error: Protocol error: too big inline request\n"},
        {"", 65535, ' ', "\r\n", "left: 0\n"},
        {"*", 65535, '1', "", "left: 65536\n"},
        {"*", 65536, '1', "", "error: Protocol error: too big mbulk count string\n"},
        {"*", 65535, '1', "\r\n", "error: Protocol error: invalid multibulk length\n"},
        {"*1\r\n$", 65535, '1', "", "left: 65540\n"},
        {"*1\r\n$", 65536, '1', "", "error: Protocol error: too big bulk count string\n"},
        {"*1\r\n", 65537, 'x', "", "error: Protocol error: too big bulk count string\n"},
        {"*1\r\n", 65536, 'x', "\r\n", "error: Protocol error: expected '$', got 'x'\n"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct buffer line = long_line(lines[i].prefix, lines[i].count, lines[i].c, lines[i].suffix);
        assert_transcript(buffer_slice(&line), &roomy, lines[i].transcript, whole_piece, NULL);
        assert_transcript(buffer_slice(&line), &roomy, lines[i].transcript, large_pieces, NULL);
        buffer_free(&line);
    }
}

/* A command is refused as soon as it is clear that it exceeds the query limit, be it by size or by number of
 * arguments. */
static void commands_have_a_limit(void **state)
{
    (void)state;
    const struct parser_limits limits = {.bulk_max = 1 << 20, .query_max = 10000};
    assert_transcript(slice_of("*2\r\n$4\r\nECHO\r\n$10000\r\n"), &limits,
                      "error: Protocol error: query buffer limit exceeded\n", whole_piece, NULL);
    assert_transcript(slice_of("*2\r\n$4\r\nECHO\r\n$9900\r\n"), &limits, "left: 21\n", whole_piece, NULL);
    struct buffer many = {0};
    buffer_append_text(&many, "*1000\r\n");
    for (int i = 0; i < 600; i++)
        buffer_append_text(&many, "$0\r\n\r\n");
    assert_transcript(buffer_slice(&many), &limits, "error: Protocol error: query buffer limit exceeded\n",
                      whole_piece, NULL);
    buffer_free(&many);
    /* Each command for itself: a pipeline may be longer. */
    struct buffer pipeline = {0};
    for (int i = 0; i < 2000; i++)
        buffer_append_text(&pipeline, PING);
    struct buffer text = transcribe(buffer_slice(&pipeline), &limits, whole_piece, NULL);
    assert_int_equal(text.size, 2000 * strlen(PING_RAW) + strlen("left: 0\n"));
    buffer_free(&text);
    buffer_free(&pipeline);
}

/* Who has not said who they are gets ten arguments of 16 KiB, and requests one by one. */
static void unauthenticated_limits_are_tight(void **state)
{
    (void)state;
    struct parser_limits limits = roomy;
    limits.unauthenticated = true;
    assert_transcript(slice_of("*10\r\n"), &limits, "left: 5\n", whole_piece, NULL);
    assert_transcript(slice_of("*11\r\n"), &limits,
                      "error: Protocol error: unauthenticated multibulk length\n", whole_piece, NULL);
    assert_transcript(slice_of("*1\r\n$16384\r\n"), &limits, "left: 12\n", whole_piece, NULL);
    assert_transcript(slice_of("*1\r\n$16385\r\n"), &limits,
                      "error: Protocol error: unauthenticated bulk length\n", whole_piece, NULL);
    /* All of a command together, the line that is on its way included. */
    struct buffer large = {0};
    buffer_append_text(&large, "*3\r\n$16000\r\n");
    memset(buffer_reserve(&large, 16000), 'x', 16000);
    large.size += 16000;
    buffer_append_text(&large, "\r\n");
    size_t begun = large.size;
    buffer_append_text(&large, "$2000\r\n");
    assert_transcript(buffer_slice(&large), &limits, "left: 16021\n", whole_piece, NULL);
    large.size = begun;
    buffer_append_text(&large, "$3000\r\n");
    assert_transcript(buffer_slice(&large), &limits,
                      "error: Protocol error: unauthenticated request is too large\n", whole_piece, NULL);
    large.size = begun;
    buffer_append_char(&large, '$');
    memset(buffer_reserve(&large, 4000), '0', 4000);
    large.size += 4000;
    assert_transcript(buffer_slice(&large), &limits, "error: Protocol error: too big bulk count string\n",
                      whole_piece, NULL);
    memset(large.data, 'x', 18432);
    assert_transcript(slice_make(large.data, 18432), &limits, "left: 18432\n", whole_piece, NULL);
    assert_transcript(slice_make(large.data, 18433), &limits,
                      "error: Protocol error: too big inline request\n", whole_piece, NULL);
    buffer_free(&large);
    assert_transcript(
        slice_of("a b c d e f g h i j k l m\r\n"), &limits,
        "\"a\" \"b\" \"c\" \"d\" \"e\" \"f\" \"g\" \"h\" \"i\" \"j\" \"k\" \"l\" \"m\" \nleft: 0\n",
        whole_piece, NULL);
    /* The first of a pipeline may be the AUTH that lifts the limits for the second. */
    struct parser *parser = parser_new();
    struct slice pipeline = slice_of(PING "*11\r\n");
    int count;
    size_t consumed;
    assert_int_equal(parser_run(parser, pipeline, &limits, &count, &consumed), PARSE_FULL);
    assert_int_equal(count, 1);
    assert_int_equal(consumed, strlen(PING));
    struct slice rest = slice_make(pipeline.data + consumed, pipeline.size - consumed);
    assert_int_equal(parser_run(parser, rest, &roomy, &count, &consumed), PARSE_MORE);
    parser_free(parser);
}

/* A batch ends at its limit, and its requests' arguments are all valid though the array behind them grew
 * meanwhile. */
static void batches_are_bounded_and_stable(void **state)
{
    (void)state;
    struct buffer input = {0};
    for (int i = 0; i < 100; i++) {
        buffer_append_format(&input, "*%d\r\n", i + 1);
        for (int j = 0; j <= i; j++)
            buffer_append_format(&input, "$2\r\n%02d\r\n", j);
    }
    struct parser *parser = parser_new();
    int count;
    size_t consumed;
    assert_int_equal(parser_run(parser, buffer_slice(&input), &roomy, &count, &consumed), PARSE_FULL);
    assert_int_equal(count, REQUEST_BATCH_MAX);
    for (int i = 0; i < count; i++) {
        const struct request *request = parser_request(parser, i);
        assert_int_equal(request->argc, i + 1);
        for (int j = 0; j <= i; j++) {
            char expected[16];
            snprintf(expected, sizeof(expected), "%02d", j);
            assert_true(slice_equal(request->argv[j], slice_of(expected)));
        }
    }
    buffer_consume(&input, consumed);
    assert_int_equal(parser_run(parser, buffer_slice(&input), &roomy, &count, &consumed), PARSE_MORE);
    assert_int_equal(count, 100 - REQUEST_BATCH_MAX);
    assert_int_equal(consumed, input.size);
    parser_free(parser);
    buffer_free(&input);
}

/* After a rewind parsing begins anew at a command's first byte: one that was seen partly, or one not
 * executed. */
static void rewinding_forgets_the_partial(void **state)
{
    (void)state;
    struct slice input = slice_of(PING "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n*3\r\n$1\r\na\r\n");
    struct parser *parser = parser_new();
    int count;
    size_t consumed;
    assert_int_equal(parser_run(parser, input, &roomy, &count, &consumed), PARSE_MORE);
    assert_int_equal(count, 2);
    size_t second = parser_request(parser, 1)->begin;
    parser_rewind(parser);
    struct slice again = slice_make(input.data + second, input.size - second);
    assert_int_equal(parser_run(parser, again, &roomy, &count, &consumed), PARSE_MORE);
    assert_int_equal(count, 1);
    assert_true(slice_is(parser_request(parser, 0)->argv[1], "x"));
    assert_int_equal(consumed, again.size - strlen("*3\r\n$1\r\na\r\n"));
    parser_rewind(parser);
    assert_int_equal(parser_run(parser, slice_of(PING), &roomy, &count, &consumed), PARSE_MORE);
    assert_int_equal(count, 1);
    assert_int_equal(parser_request(parser, 0)->argc, 1);
    parser_free(parser);
}

/* Parsing the same bad bytes again gives the same error. */
static void errors_repeat(void **state)
{
    (void)state;
    struct parser *parser = parser_new();
    int count;
    size_t consumed;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(parser_run(parser, slice_of("*1\r\n$x\r\n"), &roomy, &count, &consumed),
                         PARSE_ERROR);
        assert_int_equal(consumed, 0);
        assert_string_equal(parser_error(parser), "Protocol error: invalid bulk length");
    }
    parser_free(parser);
}

/* While an argument is being received, the bytes it still lacks are known. */
static void lacking_bytes_are_known(void **state)
{
    (void)state;
    struct parser *parser = parser_new();
    int count;
    size_t consumed;
    parser_run(parser, slice_of("*2\r\n$4\r\nEC"), &roomy, &count, &consumed);
    assert_int_equal(parser_wants(parser), 4);
    parser_run(parser, slice_of("*2\r\n$4\r\nECHO\r\n$1000"), &roomy, &count, &consumed);
    assert_int_equal(parser_wants(parser), 0);
    parser_run(parser, slice_of("*2\r\n$4\r\nECHO\r\n$1000\r\n"), &roomy, &count, &consumed);
    assert_int_equal(parser_wants(parser), 1002);
    parser_rewind(parser);
    assert_int_equal(parser_wants(parser), 0);
    parser_free(parser);
}

/* What a client announces takes no memory. */
static void announcements_are_free(void **state)
{
    (void)state;
    struct parser *parser = parser_new();
    int count;
    size_t consumed;
    size_t before = memory_used();
    parser_run(parser, slice_of("*1000000000\r\n$500000000\r\n"), &roomy, &count, &consumed);
    assert_true(memory_used() - before < 4096);
    assert_true(parser_memory(parser) < 4096);
    parser_free(parser);
}

/* A command of a million arguments in pieces of 16 KiB is looked at once, and its memory goes back
 * afterwards. */
static void large_commands_are_linear(void **state)
{
    (void)state;
    enum { ARGUMENTS = 1000000 };
    struct buffer input = {0};
    buffer_append_format(&input, "*%d\r\n", ARGUMENTS);
    for (int i = 0; i < ARGUMENTS; i++)
        buffer_append_text(&input, "$1\r\nx\r\n");
    struct parser *parser = parser_new();
    int count = 0;
    size_t consumed;
    clock_t begin = clock();
    for (size_t there = 16384; count == 0; there += 16384) {
        there = there > input.size ? input.size : there;
        parser_run(parser, slice_make(input.data, there), &roomy, &count, &consumed);
    }
    /* Some 10 ms; half a minute if each piece meant a look at all before it. */
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    assert_int_equal(parser_request(parser, 0)->argc, ARGUMENTS);
    assert_ptr_equal(parser_request(parser, 0)->argv[ARGUMENTS - 1].data, input.data + input.size - 3);
    assert_true(parser_memory(parser) > ARGUMENTS * sizeof(struct slice));
    parser_trim(parser);
    assert_true(parser_memory(parser) < 8192);
    parser_free(parser);
    buffer_free(&input);
}

/* A line that arrives byte by byte is looked at once. */
static void long_lines_are_linear(void **state)
{
    (void)state;
    struct parser *parser = parser_new();
    struct buffer line = long_line("echo ", 65000, 'a', "\n");
    int count = 0;
    size_t consumed;
    clock_t begin = clock();
    for (size_t there = 1; there <= line.size; there++)
        parser_run(parser, slice_make(line.data, there), &roomy, &count, &consumed);
    /* Some milliseconds; seconds if each byte meant a look at all before it. */
    assert_true(clock() - begin < CLOCKS_PER_SEC / 2);
    assert_int_equal(count, 1);
    assert_int_equal(parser_request(parser, 0)->argv[1].size, 65000);
    assert_true(parser_memory(parser) > 65000);
    parser_trim(parser);
    assert_true(parser_memory(parser) < 8192);
    parser_free(parser);
    buffer_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_parse),
        cmocka_unit_test(cuts_make_no_difference),
        cmocka_unit_test(garbage_is_handled),
        cmocka_unit_test(lines_have_a_limit),
        cmocka_unit_test(commands_have_a_limit),
        cmocka_unit_test(unauthenticated_limits_are_tight),
        cmocka_unit_test(batches_are_bounded_and_stable),
        cmocka_unit_test(rewinding_forgets_the_partial),
        cmocka_unit_test(errors_repeat),
        cmocka_unit_test(lacking_bytes_are_known),
        cmocka_unit_test(announcements_are_free),
        cmocka_unit_test(large_commands_are_linear),
        cmocka_unit_test(long_lines_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
