/* Lines for hashes. A field's name is one of few (type_hash.c), so that fields collide as keys do; a few
 * hashes grow by hundreds of others, and their values are small but for some beyond what a listpack may hold.
 */
#include "words.h"

#include <stdio.h>

#include "base/diag.h"

/* Fields that only make a hash large, and how many of them come at once. */
#define MANY_FIELDS  900
#define MANY_AT_ONCE 150

/* Own letters:
 *   H key, of a hash mostly  E field  W value  J a few milliseconds
 *   G fields and values, several mostly  L FIELDS, their number and fields  U the same with values
 *   T what DUMP gives for a hash */
static const struct line lines[] = {
    {14, COMMAND_PLAIN, ">hset H G"},
    {10, COMMAND_PLAIN, ">hset H E W"},
    {2, COMMAND_PLAIN, ">hmset H G"},
    {4, COMMAND_PLAIN, ">hsetnx H E W"},
    {4, COMMAND_PLAIN, ">hset H E Q"},
    {5, COMMAND_PLAIN, ">hdel H E"},
    {3, COMMAND_PLAIN, ">hdel H E E E E"},
    {5, COMMAND_PLAIN, ">hincrby H E N"},
    {4, COMMAND_PLAIN, ">hincrbyfloat H E F"},
    {5, COMMAND_PLAIN, ">hpexpire H M L"},
    {7, COMMAND_PLAIN, ">hpexpire H J L"},
    {2, COMMAND_PLAIN, ">hexpire H S L"},
    {2, COMMAND_PLAIN, ">hpexpireat H B L"},
    {1, COMMAND_PLAIN, ">hexpireat H A L"},
    {1, COMMAND_PLAIN, ">hpexpire H M nx L"},
    {1, COMMAND_PLAIN, ">hpexpire H M xx L"},
    {1, COMMAND_PLAIN, ">hpexpire H M gt L"},
    {1, COMMAND_PLAIN, ">hpexpireat H B lt L"},
    {1, COMMAND_PLAIN, ">hexpire H 0 L"},
    {2, COMMAND_PLAIN, ">hpersist H L"},
    {2, COMMAND_PLAIN, ">hgetdel H L"},
    {1, COMMAND_PLAIN, ">hgetex H L"},
    {2, COMMAND_PLAIN, ">hgetex H px M L"},
    {1, COMMAND_PLAIN, ">hgetex H ex S L"},
    {1, COMMAND_PLAIN, ">hgetex H pxat B L"},
    {1, COMMAND_PLAIN, ">hgetex H exat A L"},
    {1, COMMAND_PLAIN, ">hgetex H persist L"},
    {2, COMMAND_PLAIN, ">hsetex H U"},
    {3, COMMAND_PLAIN, ">hsetex H px M U"},
    {4, COMMAND_PLAIN, ">hsetex H px J U"},
    {1, COMMAND_PLAIN, ">hsetex H ex S U"},
    {1, COMMAND_PLAIN, ">hsetex H fnx pxat B U"},
    {1, COMMAND_PLAIN, ">hsetex H fxx exat A U"},
    {2, COMMAND_PLAIN, ">hsetex H keepttl U"},
    {2, COMMAND_PLAIN, ">restore H 0 T replace"},
    {1, COMMAND_PLAIN, ">restore H M T replace"},
    {1, COMMAND_PLAIN, ">restore H 0 T"},
    {1, COMMAND_PLAIN, ">set H Q"},
    {1, COMMAND_PLAIN, ">del H"},
    {2, COMMAND_PLAIN, ">rename H H"},
    {2, COMMAND_PLAIN, ">copy H H replace"},
    {1, COMMAND_PLAIN, ">copy H H db D replace"},
    {2, COMMAND_PLAIN, ">pexpire H M"},
    {1, COMMAND_PLAIN, ">persist H"},
    {8, COMMAND_PLAIN, "<hget H E", SHOWS_PARTS},
    {4, COMMAND_PLAIN, "<hmget H E E E", SHOWS_PARTS},
    {5, COMMAND_PLAIN, "<hgetall H", SHOWS_ALL},
    {2, COMMAND_PLAIN, "<hlen H", SHOWS_ALL},
    {1, COMMAND_PLAIN, "<hkeys H", SHOWS_ALL},
    {1, COMMAND_PLAIN, "<hvals H", SHOWS_ALL},
    {1, COMMAND_PLAIN, "<hexists H E", SHOWS_PARTS},
    {1, COMMAND_PLAIN, "<hstrlen H E", SHOWS_PARTS},
    {1, COMMAND_PLAIN, "<hrandfield H"},
    {1, COMMAND_PLAIN, "<hrandfield H 1000 withvalues", SHOWS_ALL},
    {1, COMMAND_PLAIN, "<hrandfield H -5"},
    {1, COMMAND_PLAIN, "<hscan H 0 count 1000"},
    {1, COMMAND_PLAIN, "<hscan H 0 novalues"},
    {1, COMMAND_PLAIN, "<httl H L", SHOWS_PARTS},
    {2, COMMAND_PLAIN, "<hpttl H L", SHOWS_PARTS},
    {1, COMMAND_PLAIN, "<hexpiretime H L", SHOWS_PARTS},
    {1, COMMAND_PLAIN, "<hpexpiretime H L", SHOWS_PARTS},
    {1, COMMAND_PLAIN, "<exists H", SHOWS_KEYS},
    {1, COMMAND_PLAIN, "<object encoding H", SHOWS_KEYS},
    {1, COMMAND_PLAIN, "<dump H", SHOWS_KEYS},
    {1, COMMAND_PLAIN, "<type H", SHOWS_KEYS},
};

/* One that is tried again and again: a field, or one of those that only make a hash large. */
static void say_field(struct words *words, struct sim_command *command)
{
    int part = (int)words_below(words, (uint64_t)words->workload->parts);
    command_names_part(command, part);
    buffer_append_slice(&words->text, model_part_name(part));
}

static void say_small_value(struct words *words)
{
    switch (words_below(words, 6)) {
    case 0:
    case 1: buffer_append_int(&words->text, (int64_t)words_below(words, 2000) - 1000); return;
    case 2:
        buffer_append_format(&words->text, "%d.%u", (int)words_below(words, 100) - 50,
                             (unsigned)words_below(words, 100));
        return;
    case 3: words_say_bytes(words, words_below(words, 100)); return;
    default: words_say_bytes(words, words_below(words, 12)); return;
    }
}

/* Now and then one beyond what a listpack holds, or beyond what any value shares a block with others up to.
 */
static void say_value(struct words *words, struct sim_command *command)
{
    if (words_below(words, 30) == 0)
        words_say(words, command, 'V');
    else
        say_small_value(words);
}

static void say_number(struct words *words, uint64_t number)
{
    buffer_append_int(&words->text, (int64_t)number);
    words_next(words);
}

static void say_pair(struct words *words, struct sim_command *command)
{
    say_field(words, command);
    words_next(words);
    say_value(words, command);
}

static uint64_t some_count(struct words *words)
{
    return 1 + words_below(words, words_below(words, 4) ? 3 : 12);
}

/* Fields beyond those that are watched one by one: many of them, so that the hash is a large one. */
static void say_many_pairs(struct words *words)
{
    uint64_t first = words_below(words, MANY_FIELDS);
    for (uint64_t i = 0; i < MANY_AT_ONCE; i++) {
        if (i > 0)
            words_next(words);
        buffer_append_format(&words->text, "many%03u", (unsigned)((first + i) % MANY_FIELDS));
        words_next(words);
        say_small_value(words);
    }
}

static void say_pairs(struct words *words, struct sim_command *command)
{
    if (words_below(words, 256) < words->workload->many) {
        say_many_pairs(words);
        return;
    }
    for (uint64_t left = some_count(words); left > 0; left--) {
        say_pair(words, command);
        if (left > 1)
            words_next(words);
    }
}

static void say_fields(struct words *words, struct sim_command *command, bool with_values)
{
    uint64_t count = some_count(words);
    buffer_append_text(&words->text, "fields");
    words_next(words);
    say_number(words, count);
    for (uint64_t left = count; left > 0; left--) {
        if (with_values)
            say_pair(words, command);
        else
            say_field(words, command);
        if (left > 1)
            words_next(words);
    }
}

static void say_string_of_payload(struct words *words, struct slice string)
{
    ASSERT(string.size < 1 << 14);
    if (string.size >= 64)
        buffer_append_char(&words->text, (char)(0x40 | string.size >> 8));
    buffer_append_char(&words->text, (char)string.size);
    buffer_append_slice(&words->text, string);
}

/* As Redis wrote hashes before it knew listpacks: type 4, their number, then fields and values as strings. */
static void say_payload(struct words *words)
{
    size_t begin = words->text.size;
    uint64_t count = some_count(words);
    if ((int)count > words->workload->parts)
        count = 1;
    buffer_append_char(&words->text, 4);
    buffer_append_char(&words->text, (char)count);
    uint64_t first = words_below(words, (uint64_t)words->workload->parts);
    for (uint64_t i = 0; i < count; i++) {
        char value[24];
        int size = snprintf(value, sizeof(value), "%u", (unsigned)words_below(words, 100000));
        say_string_of_payload(words, model_part_name((int)((first + i) % (uint64_t)words->workload->parts)));
        say_string_of_payload(words, slice_make(value, (size_t)size));
    }
    words_end_payload(words, begin);
}

static bool say(struct words *words, struct sim_command *command, char letter)
{
    switch (letter) {
    case 'H': words_say_key(words, command, VALUE_HASH); return true;
    case 'E': say_field(words, command); return true;
    case 'W': say_value(words, command); return true;
    case 'J': buffer_append_int(&words->text, 1 + (int64_t)words_below(words, 100)); return true;
    case 'G': say_pairs(words, command); return true;
    case 'L': say_fields(words, command, false); return true;
    case 'U': say_fields(words, command, true); return true;
    case 'T': say_payload(words); return true;
    default: return false;
    }
}

static void init(struct workload *workload)
{
    static const int parts[] = {1, 3, 8, 20, MODEL_PARTS_MAX};
    static const unsigned many[] = {0, 0, 4, 40};
    workload->parts = parts[random_below(workload->random, sizeof(parts) / sizeof(parts[0]))];
    workload->many = many[random_below(workload->random, sizeof(many) / sizeof(many[0]))];
}

const struct generator hash_generator = {
    .lines = lines, .count = sizeof(lines) / sizeof(lines[0]), .type = VALUE_HASH, .init = init, .say = say};
