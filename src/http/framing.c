#include "http/framing.h"

#include <string.h>
#include <strings.h>

#include "base/diag.h"

enum part {
    PART_START, /* before a request */
    PART_START_LF,
    PART_METHOD,
    PART_TARGET,
    PART_VERSION,
    PART_VERSION_LF,
    PART_LINE, /* the beginning of a field or of the empty line */
    PART_NAME,
    PART_VALUE_BLANKS,
    PART_VALUE,
    PART_VALUE_LF,
    PART_HEAD_LF,
    PART_BODY,
    PART_CHUNK, /* the first digit of its size */
    PART_CHUNK_SIZE,
    PART_CHUNK_EXTENSION,
    PART_CHUNK_SIZE_LF,
    PART_CHUNK_DATA,
    PART_CHUNK_CR,
    PART_CHUNK_LF,
};

enum field {
    FIELD_OTHER,
    FIELD_NAME_LENGTH,
    FIELD_NAME_ENCODING,
    FIELD_NAME_HOST,
    FIELD_NAME_EXPECT,
    FIELD_NAME_COOKIE
};

/* What libmicrohttpd keeps for a field, a parameter of the query, a cookie. */
#define ENTRY_SIZE 64

#define CHUNK_LINE_MAX 1024

static const struct refusal bad_line = {400, "Bad Request", "the request line is malformed\n"};
static const struct refusal bad_version = {505, "HTTP Version Not Supported",
                                           "only HTTP/1.0 and HTTP/1.1 are understood\n"};
static const struct refusal long_target = {414, "URI Too Long", "the target is too long\n"};
static const struct refusal large_head = {431, "Request Header Fields Too Large",
                                          "the head of the request is too large\n"};
static const struct refusal bad_name = {400, "Bad Request", "the name of a field is malformed\n"};
static const struct refusal bad_space = {400, "Bad Request", "there is a space around the name of a field\n"};
static const struct refusal two_lines = {400, "Bad Request", "a field goes on in the next line\n"};
static const struct refusal bad_value = {400, "Bad Request", "the value of a field is malformed\n"};
static const struct refusal bad_length = {400, "Bad Request", "the length of the body is not clear\n"};
static const struct refusal large_body = {413, "Content Too Large", "value is too large\n"};
static const struct refusal bad_host = {400, "Bad Request", "the field Host is malformed\n"};
static const struct refusal two_hosts = {400, "Bad Request", "the field Host is there more than once\n"};
static const struct refusal no_host = {400, "Bad Request", "the field Host is missing\n"};
static const struct refusal bad_expect = {417, "Expectation Failed",
                                          "nothing but 100-continue can be expected\n"};
static const struct refusal bad_chunk = {400, "Bad Request", "a chunk of the body is malformed\n"};

/* --- bytes --------------------------------------------------------------------------------------------- */

enum { IN_TOKEN = 1, IN_TARGET = 2, IN_VALUE = 4, IN_HOST = 8 };

#define ALNUM (IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST)

/* The target may hold what belongs into a URI, and what clients send unencoded all the same; not "#", behind
 * which others see nothing that counts, and no backslash, which others take for a slash. */
static const uint8_t kinds[256] = {
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['_'] = ALNUM,
    ['~'] = ALNUM,
    ['!'] = ALNUM,
    ['$'] = ALNUM,
    ['&'] = ALNUM,
    ['\''] = ALNUM,
    ['*'] = ALNUM,
    ['+'] = ALNUM,
    ['%'] = ALNUM,
    ['('] = IN_TARGET | IN_VALUE | IN_HOST,
    [')'] = IN_TARGET | IN_VALUE | IN_HOST,
    [';'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['='] = IN_TARGET | IN_VALUE | IN_HOST,
    [':'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['['] = IN_TARGET | IN_VALUE | IN_HOST,
    [']'] = IN_TARGET | IN_VALUE | IN_HOST,
    [','] = IN_TARGET | IN_VALUE,
    ['/'] = IN_TARGET | IN_VALUE,
    ['?'] = IN_TARGET | IN_VALUE,
    ['@'] = IN_TARGET | IN_VALUE,
    ['"'] = IN_TARGET | IN_VALUE,
    ['<'] = IN_TARGET | IN_VALUE,
    ['>'] = IN_TARGET | IN_VALUE,
    ['{'] = IN_TARGET | IN_VALUE,
    ['}'] = IN_TARGET | IN_VALUE,
    ['^'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['`'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['|'] = IN_TOKEN | IN_TARGET | IN_VALUE,
    ['#'] = IN_TOKEN | IN_VALUE,
    ['\\'] = IN_VALUE,
    [' '] = IN_VALUE,
    ['\t'] = IN_VALUE,
    [0x80 ... 0xff] = IN_TARGET | IN_VALUE,
};

static bool byte_is(char byte, uint8_t kind)
{
    return kinds[(uint8_t)byte] & kind;
}

static bool byte_is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void refuse(struct framing *framing, const struct refusal *refusal)
{
    framing->refusal = refusal;
}

/* --- what is collected: a method, a version, names, and the values that matter ------------------------- */

static void collect_begin(struct framing *framing)
{
    framing->name_size = 0;
    framing->has_blank = false;
}

static void collect(struct framing *framing, char byte)
{
    if (byte_is_blank(byte)) {
        framing->has_blank = true;
        return;
    }
    /* One in the middle is none that anything here has. */
    if (framing->has_blank || framing->name_size >= sizeof(framing->name))
        framing->name_size = sizeof(framing->name) + 1;
    else
        framing->name[framing->name_size++] = byte;
    framing->has_blank = false;
}

static bool collected_is(const struct framing *framing, const char *word)
{
    return framing->name_size == strlen(word) && strncasecmp(framing->name, word, framing->name_size) == 0;
}

/* Counts what libmicrohttpd keeps of the head. */
static void head_add(struct framing *framing, size_t size)
{
    framing->head_size += (uint32_t)size;
    if (framing->head_size > HEAD_MAX && framing->refusal == NULL)
        refuse(framing, framing->part <= PART_TARGET ? &long_target : &large_head);
}

/* --- the request line ---------------------------------------------------------------------------------- */

static void request_start(struct framing *framing)
{
    bool after_blank = framing->after_blank;
    *framing = (struct framing){.part = PART_METHOD, .after_blank = after_blank};
}

/* "/path", "http://host/path", or "*" for OPTIONS; its first bytes were collected. */
static void target_end(struct framing *framing)
{
    static const char scheme[] = "http://";
    const size_t scheme_size = sizeof(scheme) - 1;
    bool is_path = framing->name_size > 0 && framing->name[0] == '/';
    bool is_whole =
        framing->target_size > scheme_size && strncasecmp(framing->name, scheme, scheme_size) == 0;
    bool is_asterisk = framing->target_size == 1 && framing->name[0] == '*' && framing->is_options;
    if (!is_path && !is_whole && !is_asterisk)
        refuse(framing, &bad_line);
    framing->part = PART_VERSION;
    collect_begin(framing);
}

/* A byte of "HTTP/1.1"; what cannot become one is refused at once, as nobody may see a line's end in it. */
static void version_take(struct framing *framing, char byte)
{
    static const char version[] = "HTTP/0.0";
    char wanted = framing->name_size < 8 ? version[framing->name_size] : '\r';
    if (wanted == '0' ? byte < '0' || byte > '9' : byte != wanted) {
        refuse(framing, &bad_line);
    } else if (byte != '\r') {
        framing->name[framing->name_size++] = byte;
    } else {
        framing->is_old = framing->name[7] == '0';
        framing->part = PART_VERSION_LF;
        if (framing->name[5] != '1')
            refuse(framing, &bad_version);
    }
}

static size_t target_skip(struct framing *framing, const char *data, size_t size)
{
    size_t at = 0;
    size_t parameters = 0;
    while (at < size && byte_is(data[at], IN_TARGET))
        parameters += data[at++] == '&';
    for (size_t i = 0; i < at && framing->name_size < sizeof("http://") - 1; i++)
        collect(framing, data[i]);
    framing->target_size += (uint32_t)at;
    head_add(framing, at + ENTRY_SIZE * parameters);
    if (framing->target_size > TARGET_MAX)
        refuse(framing, &long_target);
    return at;
}

/* One byte of the request line, or what stands before it. */
static void line_take(struct framing *framing, char byte)
{
    switch ((enum part)framing->part) {
    case PART_START:
        if (byte == '\r' && !framing->after_blank) {
            framing->part = PART_START_LF;
            break;
        }
        request_start(framing);
        collect(framing, byte);
        if (!byte_is(byte, IN_TOKEN))
            refuse(framing, &bad_line);
        break;
    case PART_START_LF:
        framing->part = PART_START;
        framing->after_blank = true;
        if (byte != '\n')
            refuse(framing, &bad_line);
        break;
    case PART_METHOD:
        if (byte == ' ') {
            framing->is_options = framing->name_size == 7 && memcmp(framing->name, "OPTIONS", 7) == 0;
            framing->part = PART_TARGET;
            collect_begin(framing);
        } else if (byte_is(byte, IN_TOKEN)) {
            collect(framing, byte);
        } else {
            refuse(framing, &bad_line);
        }
        break;
    case PART_TARGET:
        if (byte == ' ')
            target_end(framing);
        else
            refuse(framing, &bad_line);
        break;
    case PART_VERSION: version_take(framing, byte); break;
    default:
        ASSERT(framing->part == PART_VERSION_LF);
        framing->part = PART_LINE;
        /* For libmicrohttpd's parameter of a query, if there is one. */
        head_add(framing, ENTRY_SIZE);
        if (byte != '\n')
            refuse(framing, &bad_line);
    }
}

/* --- fields -------------------------------------------------------------------------------------------- */

static void name_end(struct framing *framing)
{
    static const struct {
        const char *name;
        enum field field;
    } fields[] = {{"Content-Length", FIELD_NAME_LENGTH},
                  {"Transfer-Encoding", FIELD_NAME_ENCODING},
                  {"Host", FIELD_NAME_HOST},
                  {"Expect", FIELD_NAME_EXPECT},
                  {"Cookie", FIELD_NAME_COOKIE}};
    framing->field = FIELD_OTHER;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !framing->in_trailer; i++)
        if (collected_is(framing, fields[i].name))
            framing->field = (uint8_t)fields[i].field;
    framing->part = PART_VALUE_BLANKS;
    collect_begin(framing);
    head_add(framing, ENTRY_SIZE);
}

static void length_end(struct framing *framing)
{
    if (framing->has_length || framing->is_chunked || framing->name_size == 0 || framing->has_blank) {
        refuse(framing, &bad_length);
        return;
    }
    framing->has_length = true;
    framing->left = 0;
    /* Longer than fits is a number that is too large, or none at all: it is not told apart. */
    for (size_t i = 0; i < framing->name_size && i < sizeof(framing->name); i++) {
        char digit = framing->name[i];
        if (digit < '0' || digit > '9') {
            refuse(framing, &bad_length);
            return;
        }
        if (__builtin_mul_overflow(framing->left, UINT64_C(10), &framing->left) ||
            __builtin_add_overflow(framing->left, (uint64_t)(digit - '0'), &framing->left)) {
            refuse(framing, &large_body);
            return;
        }
    }
    if (framing->name_size > sizeof(framing->name))
        refuse(framing, &bad_length);
}

static void field_end(struct framing *framing)
{
    /* libmicrohttpd takes blanks behind a value for a part of it. */
    bool is_clear = !framing->has_blank;
    switch ((enum field)framing->field) {
    case FIELD_NAME_LENGTH: length_end(framing); break;
    case FIELD_NAME_ENCODING:
        /* Who speaks HTTP/1.0 knows no chunks, or a proxy that does not has passed them on. */
        if (!is_clear || framing->has_length || framing->is_chunked || framing->is_old ||
            !collected_is(framing, "chunked"))
            refuse(framing, &bad_length);
        framing->is_chunked = true;
        break;
    case FIELD_NAME_HOST:
        if (framing->has_host)
            refuse(framing, &two_hosts);
        framing->has_host = true;
        break;
    case FIELD_NAME_EXPECT:
        if (!is_clear || !collected_is(framing, "100-continue"))
            refuse(framing, &bad_expect);
        break;
    default: break;
    }
}

static void head_end(struct framing *framing)
{
    framing->after_blank = false;
    if (framing->in_trailer) {
        framing->part = PART_START;
        return;
    }
    if (!framing->has_host && !framing->is_old)
        refuse(framing, &no_host);
    framing->part = framing->is_chunked ? PART_CHUNK : framing->left > 0 ? PART_BODY : PART_START;
}

/* Bytes of a value, as many as there are. */
static size_t value_skip(struct framing *framing, const char *data, size_t size)
{
    size_t at = 0;
    size_t cookies = 0;
    switch ((enum field)framing->field) {
    case FIELD_OTHER:
        while (at < size && byte_is(data[at], IN_VALUE))
            at++;
        break;
    case FIELD_NAME_COOKIE:
        for (; at < size && byte_is(data[at], IN_VALUE); at++)
            cookies += data[at] == ';' || data[at] == ',';
        /* It keeps a copy of them, too. */
        head_add(framing, at + ENTRY_SIZE * cookies);
        break;
    default:
        for (; at < size && byte_is(data[at], IN_VALUE) && framing->refusal == NULL; at++) {
            bool goes_on = byte_is(data[at], IN_HOST) && !framing->has_blank;
            if (framing->field == FIELD_NAME_HOST && !goes_on && !byte_is_blank(data[at]))
                refuse(framing, &bad_host);
            collect(framing, data[at]);
        }
    }
    head_add(framing, at);
    return at;
}

static void name_take(struct framing *framing, char byte)
{
    if (byte == ':')
        name_end(framing);
    else if (byte_is(byte, IN_TOKEN))
        collect(framing, byte);
    else
        refuse(framing, byte_is_blank(byte) ? &bad_space : &bad_name);
}

/* The line before ends a field only if this one does not go on with it. */
static void line_begin(struct framing *framing, char byte)
{
    if (byte_is_blank(byte)) {
        refuse(framing, &two_lines);
        return;
    }
    field_end(framing);
    framing->field = FIELD_OTHER;
    framing->part = byte == '\r' ? PART_HEAD_LF : PART_NAME;
    if (byte == '\r' || framing->refusal != NULL)
        return;
    collect_begin(framing);
    if (byte == ':')
        refuse(framing, &bad_name);
    else
        name_take(framing, byte);
}

/* One byte of the lines behind the first. */
static void field_take(struct framing *framing, char byte)
{
    switch ((enum part)framing->part) {
    case PART_LINE: line_begin(framing, byte); break;
    case PART_NAME: name_take(framing, byte); break;
    case PART_VALUE:
        framing->part = PART_VALUE_LF;
        if (byte != '\r')
            refuse(framing, &bad_value);
        break;
    case PART_VALUE_LF:
        framing->part = PART_LINE;
        if (byte != '\n')
            refuse(framing, &bad_value);
        break;
    default:
        ASSERT(framing->part == PART_HEAD_LF);
        if (byte != '\n')
            refuse(framing, &bad_value);
        else
            head_end(framing);
    }
}

/* --- chunks -------------------------------------------------------------------------------------------- */

static void chunk_digit(struct framing *framing, char byte)
{
    if (framing->left >> 60 != 0)
        refuse(framing, &large_body);
    framing->left = framing->left << 4 | (uint64_t)hex_digit(byte);
}

static void chunk_begin(struct framing *framing)
{
    framing->part = framing->left > 0 ? PART_CHUNK_DATA : PART_LINE;
    framing->in_trailer = framing->left == 0;
}

/* One byte of what stands between the data. */
static void chunk_take(struct framing *framing, char byte)
{
    bool fits = true;
    switch ((enum part)framing->part) {
    case PART_CHUNK:
        framing->left = 0;
        framing->target_size = 0;
        framing->part = PART_CHUNK_SIZE;
        fits = hex_digit(byte) >= 0;
        if (fits)
            chunk_digit(framing, byte);
        break;
    case PART_CHUNK_SIZE:
        if (hex_digit(byte) >= 0)
            chunk_digit(framing, byte);
        else if (byte == ';')
            framing->part = PART_CHUNK_EXTENSION;
        else
            framing->part = PART_CHUNK_SIZE_LF;
        fits = framing->part != PART_CHUNK_SIZE_LF || byte == '\r';
        break;
    case PART_CHUNK_EXTENSION:
        if (byte == '\r')
            framing->part = PART_CHUNK_SIZE_LF;
        else
            fits = byte_is(byte, IN_VALUE);
        break;
    case PART_CHUNK_SIZE_LF:
        fits = byte == '\n';
        chunk_begin(framing);
        break;
    case PART_CHUNK_CR:
        fits = byte == '\r';
        framing->part = PART_CHUNK_LF;
        break;
    default:
        ASSERT(framing->part == PART_CHUNK_LF);
        fits = byte == '\n';
        framing->part = PART_CHUNK;
    }
    /* A line of any length would be kept until its end. */
    if (!fits || ++framing->target_size > CHUNK_LINE_MAX)
        refuse(framing, &bad_chunk);
}

static size_t data_skip(struct framing *framing, size_t size)
{
    size_t some = framing->left < size ? (size_t)framing->left : size;
    framing->left -= some;
    if (framing->left == 0)
        framing->part = framing->is_chunked ? PART_CHUNK_CR : PART_START;
    return some;
}

/* ------------------------------------------------------------------------------------------------------- */

/* Bytes of which all up to an end are alike: how many there are. */
static size_t many_skip(struct framing *framing, const char *data, size_t size)
{
    size_t at = 0;
    switch ((enum part)framing->part) {
    case PART_TARGET: return target_skip(framing, data, size);
    case PART_VALUE_BLANKS:
        while (at < size && byte_is_blank(data[at]))
            at++;
        head_add(framing, at);
        if (at < size)
            framing->part = PART_VALUE;
        return at;
    case PART_VALUE: return value_skip(framing, data, size);
    case PART_BODY:
    case PART_CHUNK_DATA: return data_skip(framing, size);
    default: return 0;
    }
}

static void one_take(struct framing *framing, char byte)
{
    if (framing->part >= PART_CHUNK) {
        chunk_take(framing, byte);
        return;
    }
    if (framing->part < PART_LINE)
        line_take(framing, byte);
    else
        field_take(framing, byte);
    head_add(framing, 1);
}

size_t framing_feed(struct framing *framing, const char *data, size_t size)
{
    size_t begin = 0; /* of the request that is being looked at, or of what came of it now */
    size_t at = 0;
    while (at < size && framing->refusal == NULL) {
        if (framing->part == PART_START && !framing->after_blank)
            begin = at;
        enum part part = framing->part;
        size_t skipped = many_skip(framing, data + at, size - at);
        at += skipped;
        if (skipped == 0 && framing->part == part)
            one_take(framing, data[at++]);
    }
    return framing->refusal != NULL ? begin : at;
}
