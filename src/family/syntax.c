#include "family/syntax.h"

#include <ctype.h>

#include "base/diag.h"

#define NAME_SIZE_MAX 64

enum argument_kind { ARGUMENT_PLAIN, ARGUMENT_ONE_OF, ARGUMENT_BLOCK };

struct argument {
    enum argument_kind kind;
    char name[NAME_SIZE_MAX];
    struct slice type;
    struct slice token;      /* size 0: none */
    struct slice key;        /* digits: of which key specification */
    struct slice since;      /* size 0: as long as the command */
    struct slice deprecated; /* size 0: not */
    bool is_optional;
    bool is_multiple;
    bool has_token_each;
    struct slice children;
};

/* --- reading a line ------------------------------------------------------------------------------------ */

static struct slice slice_from(struct slice text, size_t begin)
{
    return slice_make(text.data + begin, text.size - begin);
}

/* Takes what comes before any of the characters that mean something off the front. */
static struct slice word_take(struct slice *text)
{
    size_t size = 0;
    while (size < text->size && !strchr(" |()[]#*+~!", text->data[size]))
        size++;
    struct slice word = slice_make(text->data, size);
    *text = slice_from(*text, size);
    return word;
}

static bool char_take(struct slice *text, char c)
{
    if (text->size == 0 || text->data[0] != c)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* What stands before the end of an element that began outside of parentheses: one of these characters, or the
 * end of the text. */
static struct slice element_take(struct slice *text, const char *ends)
{
    int depth = 0;
    size_t size = 0;
    for (; size < text->size; size++) {
        char c = text->data[size];
        if (depth == 0 && strchr(ends, c))
            break;
        depth += c == '(' || c == '[';
        depth -= c == ')' || c == ']';
    }
    struct slice element = slice_make(text->data, size);
    *text = slice_from(*text, size);
    return element;
}

static void name_set(struct argument *argument, struct slice name, bool lower)
{
    ASSERT(name.size > 0 && name.size < NAME_SIZE_MAX);
    for (size_t i = 0; i < name.size; i++)
        argument->name[i] = lower ? (char)tolower((unsigned char)name.data[i]) : name.data[i];
}

static bool is_token(struct slice word)
{
    for (size_t i = 0; i < word.size; i++)
        if (islower((unsigned char)word.data[i]))
            return false;
    return true;
}

/* A name, a token, or both. */
static void name_read(struct argument *argument, struct slice *text)
{
    struct slice word = word_take(text);
    const char *equals = word.size ? memchr(word.data, '=', word.size) : NULL;
    argument->type = slice_of("string");
    if (equals) {
        argument->token = slice_make(word.data, (size_t)(equals - word.data));
        name_set(argument, slice_from(word, argument->token.size + 1), false);
    } else {
        name_set(argument, word, is_token(word));
    }
    if (!equals && is_token(word)) {
        argument->token = word;
        argument->type = slice_of("pure-token");
    }
}

static void children_read(struct argument *argument, struct slice *text)
{
    if (!char_take(text, '('))
        return;
    argument->children = element_take(text, ")");
    ASSERT(char_take(text, ')'));
    struct slice rest = argument->children;
    element_take(&rest, "| ");
    argument->kind = char_take(&rest, '|') ? ARGUMENT_ONE_OF : ARGUMENT_BLOCK;
    argument->type = slice_of(argument->kind == ARGUMENT_ONE_OF ? "oneof" : "block");
}

static void type_read(struct argument *argument, struct slice *text)
{
    if (!char_take(text, '#'))
        return;
    struct slice type = word_take(text);
    size_t size = type.size;
    while (size > 0 && isdigit((unsigned char)type.data[size - 1]))
        size--;
    argument->key = slice_from(type, size);
    argument->type = slice_make(type.data, size);
    if (slice_is(argument->type, "token"))
        argument->type = slice_of("pure-token");
}

/* The next argument of a line, which moves behind it; false at the end. */
static bool argument_take(struct slice *line, struct argument *argument)
{
    *argument = (struct argument){.kind = ARGUMENT_PLAIN};
    while (char_take(line, ' ') || char_take(line, '|'))
        continue;
    if (line->size == 0)
        return false;
    struct slice text = element_take(line, " |");
    argument->is_optional = char_take(&text, '[');
    name_read(argument, &text);
    children_read(argument, &text);
    type_read(argument, &text);
    argument->has_token_each = char_take(&text, '+');
    argument->is_multiple = argument->has_token_each || char_take(&text, '*');
    if (char_take(&text, '~'))
        argument->since = word_take(&text);
    if (char_take(&text, '!'))
        argument->deprecated = word_take(&text);
    ASSERT(argument->is_optional == char_take(&text, ']') && text.size == 0);
    return true;
}

/* --- telling it ---------------------------------------------------------------------------------------- */

static void reply_pair(struct reply *reply, const char *name, struct slice value, int64_t *pairs)
{
    if (!value.data) /* a token may be empty */
        return;
    reply_bulk_text(reply, name);
    reply_bulk(reply, value);
    ++*pairs;
}

static void reply_key_index(struct reply *reply, struct slice digits, int64_t *pairs)
{
    if (digits.size == 0)
        return;
    reply_bulk_text(reply, "key_spec_index");
    reply_int(reply, digits.data[0] - '0');
    ++*pairs;
}

static void reply_flags(struct reply *reply, const struct argument *argument, int64_t *pairs)
{
    const struct {
        bool is_set;
        const char *name;
    } flags[] = {{argument->is_optional, "optional"},
                 {argument->is_multiple, "multiple"},
                 {argument->has_token_each, "multiple_token"}};
    int64_t count = 0;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        count += flags[i].is_set;
    if (count == 0)
        return;
    reply_bulk_text(reply, "flags");
    reply_set(reply, count);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].is_set)
            reply_simple(reply, flags[i].name);
    ++*pairs;
}

static void reply_arguments(struct reply *reply, struct slice line);

static void reply_argument(struct reply *reply, const struct argument *argument)
{
    struct output_gap gap = reply_later(reply);
    int64_t pairs = 0;
    reply_pair(reply, "name", slice_of(argument->name), &pairs);
    reply_pair(reply, "type", argument->type, &pairs);
    if (argument->kind == ARGUMENT_PLAIN)
        reply_pair(reply, "display_text", slice_of(argument->name), &pairs);
    reply_key_index(reply, argument->key, &pairs);
    reply_pair(reply, "token", argument->token, &pairs);
    reply_pair(reply, "since", argument->since, &pairs);
    reply_pair(reply, "deprecated_since", argument->deprecated, &pairs);
    reply_flags(reply, argument, &pairs);
    if (argument->kind != ARGUMENT_PLAIN) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, argument->children);
        pairs++;
    }
    reply_map_at(reply, gap, pairs);
}

static void reply_arguments(struct reply *reply, struct slice line)
{
    struct output_gap gap = reply_later(reply);
    struct argument argument;
    int64_t count = 0;
    for (; argument_take(&line, &argument); count++)
        reply_argument(reply, &argument);
    reply_array_at(reply, gap, count);
}

void reply_syntax(struct reply *reply, const char *line)
{
    reply_arguments(reply, slice_of(line));
}
