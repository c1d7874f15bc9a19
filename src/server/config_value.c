/* Values: from words to a checked value, from a value to its canonical text, and into its field. One row of
 * functions for each kind of directive. */
#include <limits.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "server/config_table.h"

/* --- reading ---------------------------------------------------------------------------------------- */

static bool read_bool(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    value->number = slice_is(reading->words[0], "yes");
    if (!value->number && !slice_is(reading->words[0], "no"))
        return config_fail(error, "argument must be 'yes' or 'no'");
    return true;
}

static bool check_range(const struct directive *directive, int64_t number, struct config_error *error)
{
    if (number < directive->min || number > directive->max)
        return config_fail(error, "argument must be between %lld and %lld inclusive",
                           (long long)directive->min, (long long)directive->max);
    return true;
}

static bool read_int(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    if (!int64_parse(reading->words[0], &value->number))
        return config_fail(error, "argument couldn't be parsed into an integer");
    return check_range(reading->directive, value->number, error);
}

static bool read_octal(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    struct slice word = reading->words[0];
    value->number = 0;
    bool ok = word.size > 0 && word.size <= 8;
    for (size_t i = 0; ok && i < word.size; i++) {
        ok = word.data[i] >= '0' && word.data[i] <= '7';
        value->number = value->number * 8 + (word.data[i] - '0');
    }
    if (!ok)
        return config_fail(error, "argument couldn't be parsed as an octal number");
    if (value->number < reading->directive->min || value->number > reading->directive->max)
        return config_fail(error, "argument must be between %llo and %llo inclusive",
                           (unsigned long long)reading->directive->min,
                           (unsigned long long)reading->directive->max);
    return true;
}

static bool read_size(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    uint64_t bytes = 0; /* nothing is none */
    if (reading->words[0].size > 0 && !byte_size_parse(reading->words[0], &bytes))
        return config_fail(error, "argument must be a memory value");
    value->number = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    return check_range(reading->directive, value->number, error);
}

static bool read_size_or_percent(const struct reading *reading, struct config_value *value,
                                 struct config_error *error)
{
    struct slice word = reading->words[0];
    uint64_t percent;
    if (word.size > 1 && word.data[word.size - 1] == '%' &&
        uint64_parse(slice_make(word.data, word.size - 1), &percent)) {
        if (percent > 100)
            return config_fail(error, "percentage argument must be less or equal to 100");
        value->number = -(int64_t)percent;
        return true;
    }
    return read_size(reading, value, error) ||
           config_fail(error, "argument must be a memory or percent value");
}

static bool choice_find(const struct config_choice *choices, struct slice word, int *value)
{
    for (; choices->name != NULL; choices++)
        if (slice_is(word, choices->name)) {
            *value = choices->value;
            return true;
        }
    return false;
}

static bool fail_choice(const struct config_choice *choices, struct config_error *error)
{
    struct buffer list = {0};
    for (; choices->name != NULL; choices++)
        buffer_append_format(&list, "%s%s", list.size > 0 ? ", " : "", choices->name);
    config_fail(error, "argument(s) must be one of the following: %.*s", (int)list.size, list.data);
    buffer_free(&list);
    return false;
}

/* One or more of the choices, together. */
static bool read_choices(const struct reading *reading, struct config_value *value,
                         struct config_error *error)
{
    value->number = 0;
    for (int i = 0; i < reading->count; i++) {
        int choice;
        if (!choice_find(reading->directive->choices, reading->words[i], &choice))
            return fail_choice(reading->directive->choices, error);
        value->number |= choice;
    }
    return reading->count > 0 || fail_choice(reading->directive->choices, error);
}

static bool read_string(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    struct slice word = reading->words[0];
    if (word.size > 0 && memchr(word.data, '\0', word.size) != NULL)
        return config_fail(error, "argument must not hold a zero byte");
    value->text = slice_to_cstring(word);
    return true;
}

static bool read_bytes(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    (void)error;
    value->text = slice_to_cstring(reading->words[0]);
    value->size = reading->words[0].size;
    return true;
}

static void words_add(struct config_words *words, struct slice word)
{
    words->items = mem_realloc(words->items, sizeof(*words->items) * (size_t)(words->count + 1));
    words->items[words->count++] = slice_to_cstring(word);
}

static void words_drop(struct config_words *words)
{
    for (int i = 0; i < words->count; i++)
        mem_free(words->items[i]);
    mem_free(words->items);
    *words = (struct config_words){0};
}

static bool read_words(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    for (int i = 0; i < reading->count; i++) {
        struct slice word = reading->words[i];
        if (word.size > 0 &&
            (memchr(word.data, '\0', word.size) != NULL || memchr(word.data, '"', word.size) != NULL))
            return config_fail(error, "argument must not hold quotes or zero bytes");
        /* An argument may itself be a list, when it was quoted or came from CONFIG SET. */
        struct buffer *parts;
        int count = words_split(word, &parts);
        for (int j = 0; j < count; j++)
            words_add(&value->words, buffer_slice(&parts[j]));
        words_free(parts, count < 0 ? 0 : count);
        if (count < 0)
            return config_fail(error, "unbalanced quotes");
    }
    return true;
}

static bool read_save(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    struct buffer text = {0};
    /* "" alone means none, and also forgets the lines before it. */
    bool none = reading->count == 0 || (reading->count == 1 && reading->words[0].size == 0);
    if (reading->adds && reading->current != NULL && !none)
        buffer_append_text(&text, reading->current->text);
    bool ok = none || reading->count % 2 == 0;
    for (int i = 0; ok && !none && i < reading->count; i += 2) {
        int64_t seconds = 0;
        int64_t changes = 0;
        ok = int64_parse(reading->words[i], &seconds) && int64_parse(reading->words[i + 1], &changes) &&
             seconds >= 1 && seconds <= INT_MAX && changes >= 0 && changes <= INT_MAX;
        buffer_append_format(&text, "%s%lld %lld", text.size > 0 ? " " : "", (long long)seconds,
                             (long long)changes);
    }
    if (ok)
        value->text = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    return ok || config_fail(error, "Invalid save parameters");
}

static const char *const output_class_names[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};

static int output_class_find(struct slice word)
{
    if (slice_is(word, "replica"))
        return OUTPUT_REPLICA;
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        if (slice_is(word, output_class_names[i]))
            return i;
    return -1;
}

static bool read_output_limits(const struct reading *reading, struct config_value *value,
                               struct config_error *error)
{
    const struct slice *words = reading->words;
    if (reading->count == 0 || reading->count % 4 != 0)
        return config_fail(error, "Wrong number of arguments in buffer limit configuration.");
    /* A line sets the classes that it names; the others stay. */
    if (reading->current != NULL)
        memcpy(value->limits, reading->current->limits, sizeof(value->limits));
    for (int i = 0; i < reading->count; i += 4) {
        int class = output_class_find(words[i]);
        struct config_output_limit limit;
        if (class < 0)
            return config_fail(error, "Invalid client class specified in buffer limit configuration.");
        if (!byte_size_parse(words[i + 1], &limit.hard_bytes) ||
            !byte_size_parse(words[i + 2], &limit.soft_bytes) ||
            !int64_parse(words[i + 3], &limit.soft_seconds) || limit.soft_seconds < 0)
            return config_fail(error,
                               "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        value->limits[class] = limit;
    }
    return true;
}

static bool read_oom_scores(const struct reading *reading, struct config_value *value,
                            struct config_error *error)
{
    enum { SCORES = 3, SCORE_MAX = 2000 };
    if (reading->count != SCORES)
        return config_fail(error, "wrong number of arguments");
    int64_t scores[SCORES];
    for (int i = 0; i < SCORES; i++)
        if (!int64_parse(reading->words[i], &scores[i]) || scores[i] < -SCORE_MAX || scores[i] > SCORE_MAX)
            return config_fail(error,
                               "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    struct buffer text = {0};
    buffer_append_format(&text, "%lld %lld %lld", (long long)scores[0], (long long)scores[1],
                         (long long)scores[2]);
    value->text = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    return true;
}

static bool read_percentiles(const struct reading *reading, struct config_value *value,
                             struct config_error *error)
{
    struct buffer text = {0};
    const char *wrong = NULL;
    for (int i = 0; i < reading->count && wrong == NULL; i++) {
        double percentile;
        char number[FLOAT_TEXT_MAX];
        if (reading->count == 1 && reading->words[0].size == 0)
            break;
        if (!double_parse(reading->words[i], &percentile))
            wrong = "Invalid latency-tracking-info-percentiles parameters";
        else if (percentile < 0 || percentile > 100)
            wrong = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        else {
            if (text.size > 0)
                buffer_append_char(&text, ' ');
            buffer_append(&text, number, double_format(number, percentile));
        }
    }
    if (wrong == NULL)
        value->text = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    return wrong == NULL || config_fail(error, "%s", wrong);
}

static bool read_master(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    const struct slice *words = reading->words;
    if (reading->count != 2)
        return config_fail(error, "wrong number of arguments");
    if (slice_is(words[0], "no") && slice_is(words[1], "one")) {
        value->text = mem_strdup("");
        return true;
    }
    int64_t port;
    if (!int64_parse(words[1], &port) || port < 0 || port > 65535)
        return config_fail(error, "Invalid master port");
    struct buffer text = {0};
    buffer_append_format(&text, "%.*s %lld", (int)words[0].size, words[0].data, (long long)port);
    value->text = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    return true;
}

/* --- canonical text --------------------------------------------------------------------------------- */

static void format_bool(const struct directive *directive, const struct config_value *value,
                        struct buffer *text)
{
    (void)directive;
    buffer_append_text(text, value->number ? "yes" : "no");
}

static void format_int(const struct directive *directive, const struct config_value *value,
                       struct buffer *text)
{
    (void)directive;
    buffer_append_int(text, value->number);
}

static void format_octal(const struct directive *directive, const struct config_value *value,
                         struct buffer *text)
{
    (void)directive;
    buffer_append_format(text, "%llo", (unsigned long long)value->number);
}

static void format_size_or_percent(const struct directive *directive, const struct config_value *value,
                                   struct buffer *text)
{
    if (value->number < 0)
        buffer_append_format(text, "%lld%%", -(long long)value->number);
    else
        format_int(directive, value, text);
}

static void format_enum(const struct directive *directive, const struct config_value *value,
                        struct buffer *text)
{
    for (const struct config_choice *choice = directive->choices; choice->name != NULL; choice++)
        if (choice->value == value->number) {
            buffer_append_text(text, choice->name);
            return;
        }
    panic("%s holds a value that is none of its choices", directive->name);
}

static void format_flags(const struct directive *directive, const struct config_value *value,
                         struct buffer *text)
{
    size_t begin = text->size;
    for (const struct config_choice *choice = directive->choices; choice->name != NULL; choice++)
        if (value->number == choice->value || (value->number & choice->value) != 0)
            buffer_append_format(text, "%s%s", text->size > begin ? " " : "", choice->name);
}

static void format_words(const struct directive *directive, const struct config_value *value,
                         struct buffer *text)
{
    (void)directive;
    for (int i = 0; i < value->words.count; i++)
        buffer_append_format(text, "%s%s", i > 0 ? " " : "", value->words.items[i]);
}

static void format_output_limits(const struct directive *directive, const struct config_value *value,
                                 struct buffer *text)
{
    (void)directive;
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        buffer_append_format(text, "%s%s %llu %llu %lld", i > 0 ? " " : "", output_class_names[i],
                             (unsigned long long)value->limits[i].hard_bytes,
                             (unsigned long long)value->limits[i].soft_bytes,
                             (long long)value->limits[i].soft_seconds);
}

/* --- the kinds -------------------------------------------------------------------------------------- */

static const struct kind {
    bool several; /* any number of words; otherwise exactly one */
    bool (*read)(const struct reading *reading, struct config_value *value, struct config_error *error);
    /* NULL: reading left the text. */
    void (*format)(const struct directive *directive, const struct config_value *value, struct buffer *text);
} kinds[] = {
    [KIND_BOOL] = {false, read_bool, format_bool},
    [KIND_INT] = {false, read_int, format_int},
    [KIND_OCTAL] = {false, read_octal, format_octal},
    [KIND_SIZE] = {false, read_size, format_int},
    [KIND_SIZE_OR_PERCENT] = {false, read_size_or_percent, format_size_or_percent},
    [KIND_ENUM] = {false, read_choices, format_enum},
    [KIND_FLAGS] = {true, read_choices, format_flags},
    [KIND_STRING] = {false, read_string, NULL},
    [KIND_BYTES] = {false, read_bytes, NULL},
    [KIND_WORDS] = {true, read_words, format_words},
    [KIND_SAVE] = {true, read_save, NULL},
    [KIND_OUTPUT_LIMITS] = {true, read_output_limits, format_output_limits},
    [KIND_OOM_SCORES] = {true, read_oom_scores, NULL},
    [KIND_PERCENTILES] = {true, read_percentiles, NULL},
    [KIND_MASTER] = {true, read_master, NULL},
};

bool kind_takes_several(enum directive_kind kind)
{
    return kinds[kind].several;
}

bool value_read(const struct reading *reading, struct config_value *value, struct config_error *error)
{
    const struct directive *directive = reading->directive;
    const struct kind *kind = &kinds[directive->kind];
    *value = (struct config_value){0};
    if (!kind->several && reading->count != 1)
        return config_fail(error, "wrong number of arguments");
    bool ok = kind->read(reading, value, error);
    const char *wrong = ok && directive->check != NULL ? directive->check(value) : NULL;
    if (wrong != NULL)
        ok = config_fail(error, "%s", wrong);
    if (!ok) {
        value_free(directive, value);
        return false;
    }
    if (kind->format != NULL) {
        struct buffer text = {0};
        kind->format(directive, value, &text);
        value->text = slice_to_cstring(buffer_slice(&text));
        buffer_free(&text);
    }
    if (directive->kind != KIND_BYTES)
        value->size = strlen(value->text);
    return true;
}

void value_free(const struct directive *directive, struct config_value *value)
{
    mem_free(value->text);
    if (directive->kind == KIND_WORDS)
        words_drop(&value->words);
    *value = (struct config_value){0};
}

static void store_number(void *field, size_t size, int64_t number)
{
    int32_t narrow = (int32_t)number;
    bool yes = number != 0;
    if (size == sizeof(number))
        memcpy(field, &number, size);
    else if (size == sizeof(narrow))
        memcpy(field, &narrow, size);
    else
        memcpy(field, &yes, sizeof(yes));
}

void value_store(const struct directive *directive, const struct config_value *value, struct config *config)
{
    size_t size = directive->field_size;
    if (size == 0)
        return;
    char *field = (char *)config + directive->field_offset;
    switch (directive->kind) {
    case KIND_STRING:
        ASSERT(size == sizeof(value->text));
        memcpy(field, &value->text, size);
        return;
    case KIND_BYTES: {
        struct slice bytes = value_text(value);
        ASSERT(size == sizeof(bytes));
        memcpy(field, &bytes, size);
        return;
    }
    case KIND_WORDS:
        ASSERT(size == sizeof(value->words));
        memcpy(field, &value->words, size);
        return;
    case KIND_OUTPUT_LIMITS:
        ASSERT(size == sizeof(value->limits));
        memcpy(field, value->limits, size);
        return;
    default:
        ASSERT(kinds[directive->kind].format != NULL);
        ASSERT(size == sizeof(bool) ? directive->kind == KIND_BOOL : size == 4 || size == 8);
        store_number(field, size, value->number);
    }
}

/* --- as a line -------------------------------------------------------------------------------------- */

/* Whether a word reads back as itself without quotes. */
static bool word_is_plain(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("\"'\\#", text.data[i]) != NULL)
            return false;
    return text.size > 0;
}

static void append_size(struct slice text, struct buffer *line)
{
    static const struct {
        int64_t bytes;
        const char *name;
    } units[] = {{INT64_C(1) << 30, "gb"}, {INT64_C(1) << 20, "mb"}, {INT64_C(1) << 10, "kb"}};
    int64_t bytes = 0;
    bool ok = int64_parse(text, &bytes);
    for (size_t i = 0; ok && bytes > 0 && i < sizeof(units) / sizeof(units[0]); i++)
        if (bytes % units[i].bytes == 0) {
            buffer_append_format(line, "%lld%s", (long long)(bytes / units[i].bytes), units[i].name);
            return;
        }
    buffer_append_slice(line, text);
}

void value_line(const struct directive *directive, struct slice text, struct buffer *line)
{
    bool is_word = directive->kind == KIND_STRING || directive->kind == KIND_BYTES;
    buffer_append_format(line, "%s ", directive->name);
    if (directive->kind == KIND_SIZE || directive->kind == KIND_SIZE_OR_PERCENT)
        append_size(text, line);
    else if (directive->kind == KIND_MASTER && text.size == 0)
        buffer_append_text(line, "no one");
    else if (is_word ? word_is_plain(text) : text.size > 0)
        buffer_append_slice(line, text);
    else
        buffer_append_quoted(line, text);
}
