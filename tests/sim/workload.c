#include "workload.h"

#include <assert.h>
#include <stdio.h>

#include "base/crc64.h"
#include "base/diag.h"
#include "resp/request.h"

#define WORDS_MAX       16
#define INLINE_CHANCE   6 /* one in so many, of those that can be sent inline */
#define LARGE_VALUE_MIN 10000
/* Around the sizes from which on a value is kept as a blob, and gets a file of its own. */
#define MEDIUM_VALUE_MIN  900
#define MEDIUM_VALUE_MORE 2500

/* Words in capitals of one letter stand for something chosen anew each time:
 *   K key  V value  Q value out of very few  N integer  F number with decimals
 *   O offset, mostly a small one  X the same in bits
 *   S seconds  M milliseconds  A Unix time in seconds  B in milliseconds  D database  P pattern
 *   R what DUMP gives for a value
 * A line that begins with > writes; one with < only reads. */
static const struct {
    unsigned char weight;
    enum command_kind kind;
    const char *words;
} lines[] = {
    {12, COMMAND_PLAIN, ">set K V"},
    {6, COMMAND_PLAIN, ">set K Q"},
    {3, COMMAND_PLAIN, ">set K V ex S"},
    {4, COMMAND_PLAIN, ">set K Q px M"},
    {1, COMMAND_PLAIN, ">set K V exat A"},
    {2, COMMAND_PLAIN, ">set K V pxat B"},
    {2, COMMAND_PLAIN, ">set K Q nx"},
    {2, COMMAND_PLAIN, ">set K Q xx get"},
    {1, COMMAND_PLAIN, ">set K Q nx get px M"},
    {2, COMMAND_PLAIN, ">set K Q keepttl"},
    {4, COMMAND_PLAIN, ">set K Q ifeq Q"},
    {1, COMMAND_PLAIN, ">set K Q ifeq Q ex S get"},
    {3, COMMAND_PLAIN, ">delifeq K Q"},
    {2, COMMAND_PLAIN, ">setnx K V"},
    {1, COMMAND_PLAIN, ">setex K S V"},
    {2, COMMAND_PLAIN, ">psetex K M V"},
    {2, COMMAND_PLAIN, ">getset K V"},
    {2, COMMAND_PLAIN, ">getdel K"},
    {1, COMMAND_PLAIN, ">getex K"},
    {1, COMMAND_PLAIN, ">getex K px M"},
    {1, COMMAND_PLAIN, ">getex K exat A"},
    {1, COMMAND_PLAIN, ">getex K persist"},
    {1, COMMAND_PLAIN, ">getex K ex S"},
    {1, COMMAND_PLAIN, ">getex K pxat B"},
    {3, COMMAND_PLAIN, ">mset K V K Q"},
    {2, COMMAND_PLAIN, ">mset K V K V K V K V"},
    {2, COMMAND_PLAIN, ">msetnx K Q K Q"},
    {5, COMMAND_PLAIN, ">append K V"},
    {3, COMMAND_PLAIN, ">setrange K O V"},
    {5, COMMAND_PLAIN, ">incr K"},
    {2, COMMAND_PLAIN, ">decr K"},
    {3, COMMAND_PLAIN, ">incrby K N"},
    {1, COMMAND_PLAIN, ">decrby K N"},
    {2, COMMAND_PLAIN, ">incrbyfloat K F"},
    {4, COMMAND_PLAIN, ">setbit K X 1"},
    {2, COMMAND_PLAIN, ">setbit K X 0"},
    {2, COMMAND_PLAIN, ">bitop xor K K K"},
    {1, COMMAND_PLAIN, ">bitop not K K"},
    {1, COMMAND_PLAIN, ">bitop and K K K"},
    {2, COMMAND_PLAIN, ">bitfield K incrby i13 X N overflow fail set u5 X 3"},
    {1, COMMAND_PLAIN, ">bitfield K get u8 X"},
    {2, COMMAND_PLAIN, ">bitfield K overflow fail incrby u1 X 3"}, /* nothing comes of it */
    {6, COMMAND_PLAIN, ">pfadd K V V V"},
    {2, COMMAND_PLAIN, ">pfadd K"},
    {3, COMMAND_PLAIN, ">pfmerge K K K"},
    {2, COMMAND_PLAIN, ">pfmerge K K"},
    {4, COMMAND_PLAIN, ">pfcount K"}, /* keeps the count it found */
    {1, COMMAND_PLAIN, ">pfdebug todense K"},
    {3, COMMAND_PLAIN, ">restore K 0 R replace"},
    {2, COMMAND_PLAIN, ">restore K M R replace"},
    {1, COMMAND_PLAIN, ">restore K B R replace absttl"},
    {1, COMMAND_PLAIN, ">restore K 0 R"},
    {1, COMMAND_PLAIN, ">restore-asking K 0 R replace"},
    {2, COMMAND_PLAIN, ">sort K store K"},
    {5, COMMAND_PLAIN, ">del K"},
    {3, COMMAND_PLAIN, ">del K K K"},
    {2, COMMAND_PLAIN, ">unlink K K"},
    {3, COMMAND_PLAIN, ">rename K K"},
    {2, COMMAND_PLAIN, ">renamenx K K"},
    {2, COMMAND_PLAIN, ">copy K K"},
    {2, COMMAND_PLAIN, ">copy K K replace"},
    {2, COMMAND_PLAIN, ">copy K K db D replace"},
    {3, COMMAND_PLAIN, ">move K D"},
    {2, COMMAND_PLAIN, ">expire K S"},
    {3, COMMAND_PLAIN, ">pexpire K M"},
    {1, COMMAND_PLAIN, ">pexpire K M nx"},
    {1, COMMAND_PLAIN, ">pexpire K M xx"},
    {1, COMMAND_PLAIN, ">pexpire K M gt"},
    {1, COMMAND_PLAIN, ">pexpire K M lt"},
    {1, COMMAND_PLAIN, ">expireat K A"},
    {1, COMMAND_PLAIN, ">pexpireat K B"},
    {2, COMMAND_PLAIN, ">persist K"},
    {1, COMMAND_PLAIN, ">flushdb"},
    {1, COMMAND_PLAIN, ">flushdb sync"},
    {1, COMMAND_PLAIN, ">flushall async"},
    {1, COMMAND_PLAIN, ">flushall sync"},
    {2, COMMAND_PLAIN, ">swapdb D D"},
    {8, COMMAND_PLAIN, "<get K"},
    {2, COMMAND_PLAIN, "<mget K K K"},
    {1, COMMAND_PLAIN, "<exists K K"},
    {1, COMMAND_PLAIN, "<strlen K"},
    {1, COMMAND_PLAIN, "<getrange K 0 O"},
    {1, COMMAND_PLAIN, "<substr K 0 O"},
    {1, COMMAND_PLAIN, "<expiretime K"},
    {1, COMMAND_PLAIN, "<type K"},
    {1, COMMAND_PLAIN, "<ttl K"},
    {1, COMMAND_PLAIN, "<pttl K"},
    {1, COMMAND_PLAIN, "<pexpiretime K"},
    {1, COMMAND_PLAIN, "<touch K K"},
    {1, COMMAND_PLAIN, "<object encoding K"},
    {1, COMMAND_PLAIN, "<lcs K K len"},
    {1, COMMAND_PLAIN, "<getbit K X"},
    {1, COMMAND_PLAIN, "<bitcount K"},
    {1, COMMAND_PLAIN, "<bitpos K 1"},
    {1, COMMAND_PLAIN, "<bitfield_ro K get i9 X"},
    {1, COMMAND_PLAIN, "<pfcount K K"},
    {1, COMMAND_PLAIN, "<dump K"},
    {1, COMMAND_PLAIN, "<sort_ro K"},
    {1, COMMAND_TELLS_NOTHING, "<lolwut"},
    {1, COMMAND_PLAIN, "<dbsize"},
    {1, COMMAND_PLAIN, "<keys P"},
    {1, COMMAND_PLAIN, "<scan 0 count 100"},
    {1, COMMAND_PLAIN, "<randomkey"},
    {1, COMMAND_TELLS_NOTHING, "<ping"},
    {1, COMMAND_TELLS_NOTHING, "<echo V"},
    {1, COMMAND_TELLS_NOTHING, "<nonsense K"},
    {1, COMMAND_TELLS_NOTHING, "<get"},
    {4, COMMAND_SELECT, "<select D"},
    {5, COMMAND_MULTI, "<multi"},
    {8, COMMAND_EXEC, ">exec"},
    {1, COMMAND_DISCARD, "<discard"},
    {5, COMMAND_WATCH, "<watch K"},
    {1, COMMAND_WATCH, "<watch K K"},
    {1, COMMAND_TELLS_NOTHING, "<unwatch"},
    {2, COMMAND_WAITAOF, "<waitaof 1 0 M"},
    {1, COMMAND_WAITAOF, "<waitaof 1 0 0"},
    {1, COMMAND_TELLS_NOTHING, "<wait 1 20"},
    {1, COMMAND_TELLS_NOTHING, "<hello 3"},
    {1, COMMAND_TELLS_NOTHING, "<hello 2"},
    {1, COMMAND_RESET, "<reset"},
    {4, COMMAND_TELLS_NOTHING, "<publish ch V"},
    {1, COMMAND_TELLS_NOTHING, "<spublish ch V"},
    {1, COMMAND_TELLS_NOTHING, "<subscribe ch"},
    {1, COMMAND_TELLS_NOTHING, "<ssubscribe ch"},
    {1, COMMAND_TELLS_NOTHING, "<unsubscribe"},
    {1, COMMAND_TELLS_NOTHING, "<sunsubscribe"},
};
#define LINE_COUNT (sizeof(lines) / sizeof(lines[0]))

static bool is_said(const struct command *command)
{
    size_t size = strlen(command->name);
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (strncmp(lines[i].words + 1, command->name, size) == 0 &&
            (lines[i].words[1 + size] == ' ' || lines[i].words[1 + size] == '\0'))
            return true;
    return false;
}

const char *workload_lacks(const struct command_table *commands)
{
    for (size_t i = 0; i < command_table_count(commands); i++) {
        const struct command_entry *entry = command_table_at(commands, i);
        bool counts = (entry->row->flags & CMD_WRITE) || (entry->row->flags & CMD_READONLY);
        if (counts && !entry->parent && !is_said(entry->row))
            return entry->row->name;
    }
    return NULL;
}

/* Now and then all units are of one size, so that what one life wrote and lost lies exactly where the next
 * one writes.
 */
static void favour_one_line(struct workload *workload)
{
    static const char *const of_one_size[] = {">incr K", ">set K Q", ">setnx K V", ">del K", ">getset K V"};
    const char *one = of_one_size[random_below(workload->random, 5)];
    for (size_t i = 0; i < LINE_COUNT; i++)
        if (lines[i].words[0] == '>')
            workload->weights[i] = strcmp(lines[i].words, one) == 0 ? 200 : 0;
}

/* Now and then all lines are alike and many values around the sizes where they become large, so that each
 * command that can makes them so, or small again. */
static void favour_no_line(struct workload *workload)
{
    workload->medium = 30000;
    for (size_t i = 0; i < LINE_COUNT; i++)
        workload->weights[i] = strncmp(lines[i].words, ">flush", 6) == 0 ? 0 : 5;
}

/* Each run favours some lines and leaves some out, so that rare combinations get long runs of their own. */
void workload_init(struct workload *workload, struct random *random)
{
    static const unsigned char favours[] = {0, 1, 1, 1, 1, 2, 4, 10};
    static const unsigned medium_chances[] = {0, 500, 3000, 10000, 40000};
    static const unsigned large_chances[] = {0, 0, 100, 600, 3000};
    static_assert(LINE_COUNT <= sizeof(workload->weights), "a weight for each line");
    *workload = (struct workload){.random = random};
    workload->keys = 1 + (int)random_below(random, random_below(random, 2) ? 6 : MODEL_KEYS_MAX);
    workload->large = large_chances[random_below(random, sizeof(large_chances) / sizeof(large_chances[0]))];
    workload->medium =
        medium_chances[random_below(random, sizeof(medium_chances) / sizeof(medium_chances[0]))];
    workload->large_max = (size_t)LARGE_VALUE_MIN << random_below(random, 6);
    for (size_t i = 0; i < LINE_COUNT; i++) {
        unsigned weight = lines[i].weight * favours[random_below(random, sizeof(favours))];
        workload->weights[i] = (unsigned char)(weight > 255 ? 255 : weight);
    }
    if (random_below(random, 8) == 0)
        favour_one_line(workload);
    else if (random_below(random, 8) == 0)
        favour_no_line(workload);
    workload->weights[0]++; /* there is always something to write */
    for (size_t i = 0; i < LINE_COUNT; i++)
        workload->weight_total += workload->weights[i];
}

/* --- words ------------------------------------------------------------------------------------------------
 */

struct words {
    struct workload *workload;
    int64_t now_ms;
    struct buffer text;
    int count;
    size_t ends[WORDS_MAX]; /* in text */
};

static uint64_t below(struct words *words, uint64_t bound)
{
    return random_below(words->workload->random, bound);
}

static bool is_medium(struct words *words)
{
    return below(words, 65536) < words->workload->medium;
}

static size_t medium_size(struct words *words)
{
    return MEDIUM_VALUE_MIN + (size_t)below(words, MEDIUM_VALUE_MORE);
}

/* What is written there may make a value large. */
static size_t some_offset(struct words *words)
{
    return is_medium(words) ? medium_size(words) : (size_t)below(words, 60);
}

static void say_value(struct words *words)
{
    static const char troubles[] = "\r\n*1\r\n$4\r\nEXEC\r\n\0DKVLOG\r\n";
    struct buffer *text = &words->text;
    size_t size;
    switch (below(words, 8)) {
    case 0:
    case 1: buffer_append_int(text, (int64_t)below(words, 1000) - 500); return;
    case 2: buffer_append(text, troubles, 1 + below(words, sizeof(troubles) - 1)); return;
    case 3: size = below(words, 200); break;
    default: size = below(words, 24); break;
    }
    if (is_medium(words))
        size = medium_size(words);
    if (below(words, 65536) < words->workload->large)
        size = LARGE_VALUE_MIN + below(words, words->workload->large_max);
    char *out = buffer_reserve(text, size + sizeof(uint64_t));
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t bytes = random_next(words->workload->random);
        memcpy(out + at, &bytes, sizeof(bytes));
    }
    text->size += size;
}

/* A string of 64 bytes or more has its size in two bytes. */
static void say_payload(struct words *words)
{
    static const char footer[] = {10, 0};
    struct buffer *text = &words->text;
    size_t begin = text->size;
    size_t size = some_offset(words);
    buffer_append_char(text, 0);
    if (size >= 64)
        buffer_append_char(text, (char)(0x40 | size >> 8));
    buffer_append_char(text, (char)size);
    for (size_t i = 0; i < size; i++)
        buffer_append_char(text, (char)random_next(words->workload->random));
    buffer_append(text, footer, sizeof(footer));
    uint64_t checksum = crc64(0, text->data + begin, text->size - begin);
    for (int i = 0; i < 64; i += 8)
        buffer_append_char(text, (char)(checksum >> i));
}

static int64_t some_ms(struct words *words)
{
    static const int64_t scales[] = {5, 50, 1000, 5000, 100000, INT64_C(10000000000)};
    return 1 + (int64_t)below(words, (uint64_t)scales[below(words, 6)]);
}

/* Mostly to come, now and then passed. */
static int64_t some_time_ms(struct words *words)
{
    int64_t distance_ms = some_ms(words);
    return words->now_ms + (below(words, 6) ? distance_ms : -distance_ms);
}

static void say_placeholder(struct words *words, struct sim_command *command, char what)
{
    struct buffer *text = &words->text;
    struct command_scope *last = command->scope_count ? &command->scopes[command->scope_count - 1] : NULL;
    switch (what) {
    case 'K': {
        int key = (int)below(words, (uint64_t)words->workload->keys);
        buffer_append_slice(text, model_key_name(key));
        ASSERT(command->scope_count < COMMAND_KEYS_MAX);
        command->scopes[command->scope_count++] = (struct command_scope){-1, (int8_t)key, false};
        break;
    }
    case 'D': {
        int database = (int)below(words, MODEL_DATABASES);
        buffer_append_int(text, database);
        command->select = database;
        /* COPY and MOVE look at the last key there. */
        if (last && command->scope_count < COMMAND_KEYS_MAX)
            command->scopes[command->scope_count++] =
                (struct command_scope){(int8_t)database, last->key, false};
        break;
    }
    case 'V': say_value(words); break;
    case 'R': say_payload(words); break;
    case 'Q': buffer_append_int(text, (int64_t)below(words, 3)); break;
    case 'N': buffer_append_int(text, (int64_t)below(words, 2000) - 1000); break;
    case 'F': {
        int whole = (int)below(words, 100) - 50;
        buffer_append_format(text, "%d.%u", whole, (unsigned)below(words, 100));
        break;
    }
    case 'O': buffer_append_int(text, (int64_t)some_offset(words)); break;
    case 'X': buffer_append_int(text, (int64_t)(some_offset(words) * 8 + below(words, 8))); break;
    case 'S': buffer_append_int(text, 1 + (int64_t)below(words, 20)); break;
    case 'M': buffer_append_int(text, some_ms(words)); break;
    case 'A': buffer_append_int(text, some_time_ms(words) / 1000); break;
    case 'B': buffer_append_int(text, some_time_ms(words)); break;
    case 'P': buffer_append_text(text, below(words, 2) ? "*" : "k*[0-4]"); break;
    default: buffer_append_char(text, what); break;
    }
}

static void say_word(struct words *words, struct sim_command *command, const char *word, size_t size)
{
    ASSERT(words->count < WORDS_MAX);
    if (size == 1 && words->workload && *word >= 'A' && *word <= 'Z')
        say_placeholder(words, command, *word);
    else
        buffer_append(&words->text, word, size);
    words->ends[words->count++] = words->text.size;
}

static void say_line(struct words *words, struct sim_command *command, const char *line)
{
    while (*line) {
        size_t size = strcspn(line, " ");
        say_word(words, command, line, size);
        line += size;
        line += *line == ' ';
    }
}

/* --- the bytes that are sent -------------------------------------------------------------------------------
 */

static bool can_be_inline(const struct words *words)
{
    size_t begin = 0;
    for (int i = 0; i < words->count; i++) {
        for (size_t at = begin; at < words->ends[i]; at++)
            if (words->text.data[at] <= ' ' || words->text.data[at] > '~' ||
                strchr("\"'\\", words->text.data[at]))
                return false;
        if (begin == words->ends[i])
            return false;
        begin = words->ends[i];
    }
    return words->text.size < 1000;
}

static void words_send(struct words *words, bool is_inline, struct buffer *out)
{
    struct slice argv[WORDS_MAX];
    size_t begin = 0;
    for (int i = 0; i < words->count; i++) {
        argv[i] = slice_make(words->text.data + begin, words->ends[i] - begin);
        begin = words->ends[i];
    }
    if (!is_inline) {
        request_append(out, words->count, argv);
        return;
    }
    for (int i = 0; i < words->count; i++) {
        buffer_append_slice(out, argv[i]);
        buffer_append_text(out, i + 1 < words->count ? " " : "\r\n");
    }
}

/* For the trace: the first words, without bytes that do not print. */
static void describe(const struct words *words, struct sim_command *command)
{
    size_t size = 0;
    size_t begin = 0;
    for (int i = 0; i < words->count && size + 2 < sizeof(command->text); i++) {
        if (i > 0)
            command->text[size++] = ' ';
        for (size_t at = begin; at < words->ends[i] && at < begin + 12 && size + 1 < sizeof(command->text);
             at++) {
            char c = words->text.data[at];
            command->text[size++] = c >= ' ' && c <= '~' ? c : '.';
        }
        begin = words->ends[i];
    }
    command->text[size] = '\0';
}

static void look_at_whole_databases(struct sim_command *command, const char *words)
{
    static const char *const telling[] = {"dbsize", "keys ", "scan ", "randomkey"};
    for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
        if (strncmp(words, telling[i], strlen(telling[i])) == 0)
            command->scopes[command->scope_count++] = (struct command_scope){-1, -1, false};
}

/* Its reply cannot but tell of each key of its scopes that it is not there. (Others may find a reason to look
 * at the first alone.) */
static bool shows_each(const char *words)
{
    static const char *const names[] = {"get ",  "mget ", "exists ", "strlen ", "getrange ", "expiretime ",
                                        "type ", "ttl ",  "pttl ",   "touch ",  "getbit ",   "pexpiretime ",
                                        "keys ", "scan ", "dump ",   "object ", "bitcount "};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(words, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

void workload_say(const char *line, enum command_kind kind, struct buffer *out, struct sim_command *command)
{
    struct words words = {0};
    *command = (struct sim_command){.kind = kind};
    say_line(&words, command, line);
    words_send(&words, false, out);
    describe(&words, command);
    buffer_free(&words.text);
}

/* Draws a line by its weight; one that only reads may have to be drawn from all. */
static size_t draw_line(struct words *words, bool only_reads)
{
    size_t line;
    int draws = 0;
    do {
        uint64_t pick = below(words, words->workload->weight_total);
        for (line = 0; pick >= words->workload->weights[line]; line++)
            pick -= words->workload->weights[line];
        if (++draws > 10)
            line = below(words, LINE_COUNT);
    } while (only_reads && (lines[line].words[0] == '>' || lines[line].kind == COMMAND_MULTI));
    return line;
}

void workload_command(struct workload *workload, int64_t now_ms, bool only_reads, struct buffer *out,
                      struct sim_command *command)
{
    struct words words = {.workload = workload, .now_ms = now_ms};
    size_t line = draw_line(&words, only_reads);
    *command = (struct sim_command){.kind = lines[line].kind, .writes = lines[line].words[0] == '>'};
    say_line(&words, command, lines[line].words + 1);
    look_at_whole_databases(command, lines[line].words + 1);
    if (command->kind == COMMAND_TELLS_NOTHING || strncmp(lines[line].words, ">swapdb", 7) == 0)
        command->scope_count = 0;
    for (int i = 0; i < command->scope_count && shows_each(lines[line].words + 1); i++)
        command->scopes[i].shows = true;
    bool is_inline = below(&words, INLINE_CHANCE) == 0 && can_be_inline(&words);
    words_send(&words, is_inline, out);
    describe(&words, command);
    buffer_free(&words.text);
}
