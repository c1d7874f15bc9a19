#include "workload.h"

#include "base/crc64.h"
#include "base/diag.h"
#include "resp/request.h"
#include "words.h"

#define INLINE_CHANCE   6 /* one in so many, of those that can be sent inline */
#define LARGE_VALUE_MIN 10000
/* Around the sizes from which on a value is kept as a blob, and gets a file of its own. */
#define MEDIUM_VALUE_MIN  900
#define MEDIUM_VALUE_MORE 2500

/* By type, the lines of all types first. */
static const struct generator *const generators[] = {&base_generator, &hash_generator};
#define GENERATOR_COUNT (sizeof(generators) / sizeof(generators[0]))

static bool says(const struct generator *generator, const struct command *command)
{
    size_t size = strlen(command->name);
    for (size_t i = 0; i < generator->count; i++) {
        const char *words = generator->lines[i].words + 1;
        if (strncmp(words, command->name, size) == 0 && (words[size] == ' ' || words[size] == '\0'))
            return true;
    }
    return false;
}

static bool is_said(const struct command *command)
{
    for (size_t i = 0; i < GENERATOR_COUNT; i++)
        if (says(generators[i], command))
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

/* --- what a run is like ------------------------------------------------------------------------------------
 */

static bool takes_part(const struct workload *workload, const struct generator *generator)
{
    return generator == &base_generator || (workload->types & type_bit(generator->type));
}

/* The line of this number, of those that take part. */
static const struct line *line_at(const struct workload *workload, size_t number,
                                  const struct generator **generator)
{
    for (size_t i = 0; i < GENERATOR_COUNT; i++) {
        *generator = generators[i];
        if (!takes_part(workload, generators[i]))
            continue;
        if (number < generators[i]->count)
            return &generators[i]->lines[number];
        number -= generators[i]->count;
    }
    ASSERT(false);
    return NULL;
}

/* Now and then all units are of one size, so that what one life wrote and lost lies exactly where the next
 * one writes. */
static void favour_one_line(struct workload *workload)
{
    static const char *const of_one_size[] = {">incr K", ">set K Q", ">setnx K V", ">del Y", ">getset K V"};
    const char *one = of_one_size[random_below(workload->random, 5)];
    for (size_t i = 0; i < workload->line_count; i++) {
        const struct generator *generator;
        const char *words = line_at(workload, i, &generator)->words;
        if (words[0] == '>')
            workload->weights[i] = strcmp(words, one) == 0 ? 200 : 0;
    }
}

/* Now and then all lines are alike and many values around the sizes where they become large, so that each
 * command that can makes them so, or small again. */
static void favour_no_line(struct workload *workload)
{
    workload->medium = 30000;
    for (size_t i = 0; i < workload->line_count; i++) {
        const struct generator *generator;
        workload->weights[i] = strncmp(line_at(workload, i, &generator)->words, ">flush", 6) == 0 ? 0 : 5;
    }
}

/* A type's lines have most of some runs. */
static void draw_weights(struct workload *workload, const struct generator *generator)
{
    static const unsigned char favours[] = {0, 1, 1, 1, 1, 2, 4, 10};
    static const unsigned char shares[] = {1, 3, 6, 12};
    unsigned share = 1;
    if (generator != &base_generator)
        share = shares[random_below(workload->random, sizeof(shares))];
    ASSERT(workload->line_count + generator->count <= sizeof(workload->weights));
    for (size_t i = 0; i < generator->count; i++) {
        unsigned weight =
            share * generator->lines[i].weight * favours[random_below(workload->random, sizeof(favours))];
        workload->weights[workload->line_count++] = (unsigned char)(weight > 255 ? 255 : weight);
    }
}

/* Each run favours some lines and leaves some out, so that rare combinations get long runs of their own. What
 * a run without a type draws is what it drew before that type was there. */
void workload_init(struct workload *workload, struct random *random, unsigned types)
{
    static const unsigned medium_chances[] = {0, 500, 3000, 10000, 40000};
    static const unsigned large_chances[] = {0, 0, 100, 600, 3000};
    *workload = (struct workload){.random = random, .types = types};
    workload->keys = 1 + (int)random_below(random, random_below(random, 2) ? 6 : MODEL_KEYS_MAX);
    workload->large = large_chances[random_below(random, sizeof(large_chances) / sizeof(large_chances[0]))];
    workload->medium =
        medium_chances[random_below(random, sizeof(medium_chances) / sizeof(medium_chances[0]))];
    workload->large_max = (size_t)LARGE_VALUE_MIN << random_below(random, 6);
    for (size_t i = 0; i < GENERATOR_COUNT; i++)
        if (takes_part(workload, generators[i]))
            draw_weights(workload, generators[i]);
    if (random_below(random, 8) == 0)
        favour_one_line(workload);
    else if (random_below(random, 8) == 0)
        favour_no_line(workload);
    workload->weights[0]++; /* there is always something to write */
    for (size_t i = 0; i < workload->line_count; i++)
        workload->weight_total += workload->weights[i];
    for (size_t i = 0; i < GENERATOR_COUNT; i++)
        if (takes_part(workload, generators[i]) && generators[i]->init)
            generators[i]->init(workload);
}

/* --- words ------------------------------------------------------------------------------------------------
 */

uint64_t words_below(struct words *words, uint64_t bound)
{
    return random_below(words->workload->random, bound);
}

void words_next(struct words *words)
{
    ASSERT(words->count < WORDS_MAX);
    words->ends[words->count++] = words->text.size;
}

static bool is_medium(struct words *words)
{
    return words_below(words, 65536) < words->workload->medium;
}

static size_t medium_size(struct words *words)
{
    return MEDIUM_VALUE_MIN + (size_t)words_below(words, MEDIUM_VALUE_MORE);
}

/* What is written there may make a value large. */
static size_t some_offset(struct words *words)
{
    return is_medium(words) ? medium_size(words) : (size_t)words_below(words, 60);
}

void words_say_bytes(struct words *words, size_t size)
{
    char *out = buffer_reserve(&words->text, size + sizeof(uint64_t));
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t bytes = random_next(words->workload->random);
        memcpy(out + at, &bytes, sizeof(bytes));
    }
    words->text.size += size;
}

static void say_value(struct words *words)
{
    static const char troubles[] = "\r\n*1\r\n$4\r\nEXEC\r\n\0DKVLOG\r\n";
    struct buffer *text = &words->text;
    size_t size;
    switch (words_below(words, 8)) {
    case 0:
    case 1: buffer_append_int(text, (int64_t)words_below(words, 1000) - 500); return;
    case 2: buffer_append(text, troubles, 1 + words_below(words, sizeof(troubles) - 1)); return;
    case 3: size = words_below(words, 200); break;
    default: size = words_below(words, 24); break;
    }
    if (is_medium(words))
        size = medium_size(words);
    if (words_below(words, 65536) < words->workload->large)
        size = LARGE_VALUE_MIN + words_below(words, words->workload->large_max);
    words_say_bytes(words, size);
}

void words_end_payload(struct words *words, size_t begin)
{
    static const char footer[] = {10, 0};
    struct buffer *text = &words->text;
    buffer_append(text, footer, sizeof(footer));
    uint64_t checksum = crc64(0, text->data + begin, text->size - begin);
    for (int i = 0; i < 64; i += 8)
        buffer_append_char(text, (char)(checksum >> i));
}

/* A string of 64 bytes or more has its size in two bytes. */
static void say_payload(struct words *words)
{
    struct buffer *text = &words->text;
    size_t begin = text->size;
    size_t size = some_offset(words);
    buffer_append_char(text, 0);
    if (size >= 64)
        buffer_append_char(text, (char)(0x40 | size >> 8));
    buffer_append_char(text, (char)size);
    for (size_t i = 0; i < size; i++)
        buffer_append_char(text, (char)random_next(words->workload->random));
    words_end_payload(words, begin);
}

static int64_t some_ms(struct words *words)
{
    static const int64_t scales[] = {5, 50, 1000, 5000, 100000, INT64_C(10000000000)};
    return 1 + (int64_t)words_below(words, (uint64_t)scales[words_below(words, 6)]);
}

/* Mostly to come, now and then passed. */
static int64_t some_time_ms(struct words *words)
{
    int64_t distance_ms = some_ms(words);
    return words->now_ms + (words_below(words, 6) ? distance_ms : -distance_ms);
}

/* Adds one of the keys, by its number below workload->keys. */
static void say_key(struct words *words, struct sim_command *command, int key)
{
    buffer_append_slice(&words->text, model_key_name(key));
    ASSERT(command->scope_count < COMMAND_KEYS_MAX);
    command->scopes[command->scope_count++] = (struct command_scope){.database = -1, .key = (int8_t)key};
}

static int some_key(struct words *words)
{
    return (int)words_below(words, (uint64_t)words->workload->keys);
}

/* Each type has keys of its own, the numbers that leave a remainder of their own, where there are enough of
 * them: one that all types fight for holds little of any. One in eight is another's all the same. */
void words_say_key(struct words *words, struct sim_command *command, enum value_type type)
{
    const struct workload *workload = words->workload;
    int key = some_key(words);
    int types = __builtin_popcount(workload->types);
    if (types > 1 && words_below(words, 8) > 0) {
        int own = __builtin_popcount(workload->types & (type_bit(type) - 1));
        int moved = key - key % types + own;
        key = moved < workload->keys ? moved : key;
    }
    say_key(words, command, key);
}

void command_names_part(struct sim_command *command, int part)
{
    ASSERT(command->scope_count > 0);
    command->scopes[command->scope_count - 1].parts |= UINT64_C(1) << part;
}

void words_say(struct words *words, struct sim_command *command, char letter)
{
    struct buffer *text = &words->text;
    struct command_scope *last = command->scope_count ? &command->scopes[command->scope_count - 1] : NULL;
    switch (letter) {
    case 'K': words_say_key(words, command, VALUE_STRING); break;
    case 'Y': say_key(words, command, some_key(words)); break;
    case 'D': {
        int database = (int)words_below(words, MODEL_DATABASES);
        buffer_append_int(text, database);
        command->select = database;
        /* COPY and MOVE look at the last key there. */
        if (last && command->scope_count < COMMAND_KEYS_MAX)
            command->scopes[command->scope_count++] =
                (struct command_scope){.database = (int8_t)database, .key = last->key};
        break;
    }
    case 'V': say_value(words); break;
    case 'R': say_payload(words); break;
    case 'Q': buffer_append_int(text, (int64_t)words_below(words, 3)); break;
    case 'N': buffer_append_int(text, (int64_t)words_below(words, 2000) - 1000); break;
    case 'F': {
        int whole = (int)words_below(words, 100) - 50;
        buffer_append_format(text, "%d.%u", whole, (unsigned)words_below(words, 100));
        break;
    }
    case 'O': buffer_append_int(text, (int64_t)some_offset(words)); break;
    case 'X': buffer_append_int(text, (int64_t)(some_offset(words) * 8 + words_below(words, 8))); break;
    case 'S': buffer_append_int(text, 1 + (int64_t)words_below(words, 20)); break;
    case 'M': buffer_append_int(text, some_ms(words)); break;
    case 'A': buffer_append_int(text, some_time_ms(words) / 1000); break;
    case 'B': buffer_append_int(text, some_time_ms(words)); break;
    case 'P': buffer_append_text(text, words_below(words, 2) ? "*" : "k*[0-4]"); break;
    default: buffer_append_char(text, letter); break;
    }
}

static void say_word(struct words *words, struct sim_command *command, const struct generator *generator,
                     const char *word, size_t size)
{
    bool is_letter = generator && size == 1 && *word >= 'A' && *word <= 'Z';
    if (!is_letter)
        buffer_append(&words->text, word, size);
    else if (!generator->say || !generator->say(words, command, *word))
        words_say(words, command, *word);
    words_next(words);
}

/* Without a generator, word for word. */
static void say_line(struct words *words, struct sim_command *command, const struct generator *generator,
                     const char *line)
{
    while (*line) {
        size_t size = strcspn(line, " ");
        say_word(words, command, generator, line, size);
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
            command->scopes[command->scope_count++] = (struct command_scope){.database = -1, .key = -1};
}

static void note_what_it_shows(struct sim_command *command, const struct line *line)
{
    for (int i = 0; i < command->scope_count; i++) {
        struct command_scope *scope = &command->scopes[i];
        scope->shows = line->shows != SHOWS_NOTHING;
        if (line->shows == SHOWS_ALL)
            scope->parts = UINT64_MAX;
        if (line->shows != SHOWS_ALL && line->shows != SHOWS_PARTS)
            scope->parts = 0;
    }
}

void workload_say(const char *line, enum command_kind kind, struct buffer *out, struct sim_command *command)
{
    struct words words = {0};
    *command = (struct sim_command){.kind = kind};
    say_line(&words, command, NULL, line);
    words_send(&words, false, out);
    describe(&words, command);
    buffer_free(&words.text);
}

/* Draws a line by its weight; one that only reads may have to be drawn from all. */
static const struct line *draw_line(struct words *words, bool only_reads, const struct generator **generator)
{
    const struct workload *workload = words->workload;
    const struct line *line;
    size_t number;
    int draws = 0;
    do {
        uint64_t pick = words_below(words, workload->weight_total);
        for (number = 0; pick >= workload->weights[number]; number++)
            pick -= workload->weights[number];
        if (++draws > 10)
            number = words_below(words, workload->line_count);
        line = line_at(workload, number, generator);
    } while (only_reads && (line->words[0] == '>' || line->kind == COMMAND_MULTI));
    return line;
}

void workload_command(struct workload *workload, int64_t now_ms, bool only_reads, struct buffer *out,
                      struct sim_command *command)
{
    struct words words = {.workload = workload, .now_ms = now_ms};
    const struct generator *generator;
    const struct line *line = draw_line(&words, only_reads, &generator);
    *command = (struct sim_command){.kind = line->kind, .writes = line->words[0] == '>'};
    say_line(&words, command, generator, line->words + 1);
    look_at_whole_databases(command, line->words + 1);
    if (command->kind == COMMAND_TELLS_NOTHING || strncmp(line->words, ">swapdb", 7) == 0)
        command->scope_count = 0;
    note_what_it_shows(command, line);
    bool is_inline = words_below(&words, INLINE_CHANCE) == 0 && can_be_inline(&words);
    words_send(&words, is_inline, out);
    describe(&words, command);
    buffer_free(&words.text);
}
