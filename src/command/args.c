/* What commands ask of their arguments, each with the error that Redis replies. */
#include <ctype.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/call.h"
#include "command/lookup.h"

void call_reply_argument(struct call *call, int index)
{
    struct blob *blob = call_blob(call, index);
    if (blob)
        reply_blob(call->reply, blob, 0, blob->size);
    else
        reply_bulk(call->reply, call->argv[index]);
}

bool arguments_have(int argc, const struct slice *argv, int first, const char *const *words)
{
    for (int i = first; i < argc; i++)
        for (const char *const *word = words; *word; word++)
            if (slice_is(argv[i], *word))
                return true;
    return false;
}

int quote_size(struct slice word)
{
    return word.size ? (int)strnlen(word.data, word.size < QUOTE_MAX ? word.size : QUOTE_MAX) : 0;
}

bool call_int_range(struct call *call, int index, int64_t min, int64_t max, int64_t *value, const char *error)
{
    bool is_int = int64_parse(call->argv[index], value);
    if (is_int && *value >= min && *value <= max)
        return true;
    if (error)
        reply_error(call->reply, error);
    else if (is_int)
        reply_error_format(call->reply, "ERR value is out of range, value must between %lld and %lld",
                           (long long)min, (long long)max);
    else
        reply_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

bool call_int(struct call *call, int index, int64_t *value)
{
    return call_int_range(call, index, INT64_MIN, INT64_MAX, value, NULL);
}

bool call_long_double(struct call *call, int index, long double *value)
{
    if (long_double_parse(call->argv[index], value))
        return true;
    reply_error(call->reply, "ERR value is not a valid float");
    return false;
}

/* error is for what is no index at all; one that is too high has an error of its own. */
bool call_database_index(struct call *call, int index, int *database, const char *error)
{
    int64_t value;
    if (!call_int_range(call, index, INT32_MIN, INT32_MAX, &value, error))
        return false;
    if (value < 0 || value >= store_database_count(call->world->store)) {
        reply_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    *database = (int)value;
    return true;
}

static __attribute__((noinline)) void call_type_error(struct call *call)
{
    reply_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

bool call_check_type(struct call *call, const struct entry *entry, enum value_type type)
{
    if (!entry || entry_type(entry) == type)
        return true;
    call_type_error(call);
    return false;
}

/* Less than this is always taken to be there. */
#define MEMORY_UNCHECKED_MAX ((size_t)1 << 20)

void call_memory_error(struct call *call)
{
    reply_error(call->reply, "OOM not enough memory for a value of this size");
}

bool call_memory(struct call *call, size_t size)
{
    if (size <= MEMORY_UNCHECKED_MAX)
        return true;
    void *probe = mem_try_alloc(size);
    if (!probe)
        call_memory_error(call);
    mem_free(probe);
    return probe != NULL;
}

void call_syntax_error(struct call *call)
{
    reply_error(call->reply, "ERR syntax error");
}

void call_arity_error(struct call *call)
{
    reply_error_format(call->reply, "ERR wrong number of arguments for '%s' command",
                       call->command->full_name);
}

/* The name of the command, or of the container of a subcommand, as people shout it. */
static void container_name(const struct call *call, struct buffer *out)
{
    const struct command_entry *entry = call->command->parent ? call->command->parent : call->command;
    for (const char *c = entry->row->name; *c; c++)
        buffer_append_char(out, (char)toupper((unsigned char)*c));
    buffer_append_char(out, '\0');
}

void call_subcommand_error(struct call *call)
{
    struct buffer name = {0};
    container_name(call, &name);
    struct slice given = call->argc > 1 ? call->argv[1] : call->argv[0];
    reply_error_format(call->reply,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                       quote_size(given), given.data, name.data);
    buffer_free(&name);
}

void call_help(struct call *call, const char *const *lines)
{
    static const char *const footer[] = {"HELP", "    Prints this help."};
    struct buffer text = {0};
    container_name(call, &text);
    text.size--; /* its NUL */
    buffer_append_text(&text, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    buffer_append_char(&text, '\0');
    int64_t count = 0;
    while (lines[count])
        count++;
    reply_array(call->reply, 1 + count + 2);
    reply_simple(call->reply, text.data);
    for (int64_t i = 0; i < count; i++)
        reply_simple(call->reply, lines[i]);
    for (int i = 0; i < 2; i++)
        reply_simple(call->reply, footer[i]);
    buffer_free(&text);
}

bool call_deadline(struct call *call, int index, int64_t *deadline_ms)
{
    int64_t timeout;
    if (!int64_parse(call->argv[index], &timeout)) {
        reply_error(call->reply, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (timeout < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return false;
    }
    int64_t now_ms = call->world->monotonic_us / 1000;
    if (timeout > INT64_MAX - now_ms) {
        reply_error(call->reply, "ERR timeout is out of range");
        return false;
    }
    *deadline_ms = now_ms + timeout;
    return true;
}
