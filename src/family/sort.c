/* SORT and SORT_RO. There are no lists and sets yet, so the only thing there is to sort is nothing: a key
 * that is not there. What clients give is checked, and what they are told is what Redis tells them, as far as
 * that goes. */
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/lookup.h"
#include "family/expire.h"
#include "family/families.h"

/* The arguments of an option, -1 for a word that is none. */
static int option_arguments(struct slice word, bool may_store)
{
    static const struct {
        const char *name;
        int arguments;
    } options[] = {{"asc", 0}, {"desc", 0}, {"alpha", 0}, {"limit", 2}, {"by", 1}, {"get", 1}, {"store", 1}};
    size_t count = sizeof(options) / sizeof(options[0]) - (may_store ? 0 : 1);
    for (size_t i = 0; i < count; i++)
        if (slice_is(word, options[i].name))
            return options[i].arguments;
    return -1;
}

#define SORTED_FLAGS (KEY_RO | KEY_ACCESS)
#define STORED_FLAGS (KEY_OW | KEY_UPDATE)

/* As far as the arguments make sense: the last STORE counts. 0: there is none. */
static int find_store(int argc, const struct slice *argv)
{
    int found = 0;
    for (int i = 2; i < argc; i++) {
        int arguments = option_arguments(argv[i], true);
        if (slice_is(argv[i], "store") && i + 1 < argc)
            found = i + 1;
        if (arguments > 0)
            i += arguments;
    }
    return found;
}

static void find_keys(int argc, const struct slice *argv, command_key_visit *visit, void *context)
{
    int store = find_store(argc, argv);
    visit(context, 1, SORTED_FLAGS);
    if (store > 0)
        visit(context, store, STORED_FLAGS);
}

static void find_key(int argc, const struct slice *argv, command_key_visit *visit, void *context)
{
    (void)argc, (void)argv;
    visit(context, 1, SORTED_FLAGS);
}

/* Which keys BY and GET lead to is only known from the elements, so they are for those who may read every
 * key. A BY without * leads nowhere: it means not to sort. */
static bool pattern_check(struct call *call, int option)
{
    bool by = slice_is(call->argv[option], "by");
    struct slice pattern = call->argv[option + 1];
    if (by && !memchr(pattern.data, '*', pattern.size))
        return true;
    if (acl_permits_reading_all(call->session->user, call->command, call->argc, call->argv))
        return true;
    reply_error_format(call->reply, "ERR %s option of SORT denied due to insufficient ACL permissions.",
                       by ? "BY" : "GET");
    return false;
}

static bool options_check(struct call *call, bool may_store)
{
    for (int i = 2; i < call->argc; i++) {
        int64_t number;
        int arguments = option_arguments(call->argv[i], may_store);
        if (arguments < 0 || call->argc - 1 - i < arguments) {
            call_syntax_error(call);
            return false;
        }
        if (slice_is(call->argv[i], "limit") &&
            (!call_int(call, i + 1, &number) || !call_int(call, i + 2, &number)))
            return false;
        if ((slice_is(call->argv[i], "by") || slice_is(call->argv[i], "get")) && !pattern_check(call, i))
            return false;
        i += arguments;
    }
    return true;
}

/* Whether the key that is to be sorted is missing; replies the error when it is not. */
static bool nothing_to_sort(struct call *call)
{
    if (!lookup_read(call, call->argv[1], call_hash(call, 1)))
        return true;
    reply_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

static void sort_command(struct call *call)
{
    if (!options_check(call, true) || !nothing_to_sort(call))
        return;
    int store = find_store(call->argc, call->argv);
    if (store == 0) {
        reply_array(call->reply, 0);
        return;
    }
    struct slice key = call->argv[store];
    uint64_t hash = call_hash(call, store);
    if (lookup_write(call, key, hash))
        call_delete(call, key, hash);
    reply_int(call->reply, 0);
}

static void sort_ro_command(struct call *call)
{
    if (options_check(call, false) && nothing_to_sort(call))
        reply_array(call->reply, 0);
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define SORT_CATEGORIES (CAT_LIST | CAT_SET | CAT_SORTEDSET | CAT_DANGEROUS)
#define SORT_COMPLEXITY                                                                                     \
    "O(N+M*log(M)) where N is the number of elements and M the number of those returned; without sorting, " \
    "O(N)"

const struct command sort_commands[] = {
    {.name = "sort",
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
     .categories = SORT_CATEGORIES,
     .keys = {KEY_AT(1, SORTED_FLAGS), KEYS_UNKNOWN(SORTED_FLAGS), KEYS_UNKNOWN(STORED_FLAGS)},
     .find_keys = find_keys,
     .function = sort_command,
     .arguments = "key#key0 [BY=pattern#pattern1] [LIMIT=offset_count(offset#integer count#integer)] "
                  "[GET=pattern#pattern1+] [order(ASC|DESC)] [ALPHA=sorting#token] [STORE=destination#key2]",
     .group = "generic",
     .since = "1.0.0",
     .complexity = SORT_COMPLEXITY,
     .summary = "Sorts the elements of a list, a set or a sorted set; can store the result."},
    {.name = "sort_ro",
     .arity = -2,
     .flags = CMD_READONLY | CMD_MOVABLEKEYS,
     .categories = SORT_CATEGORIES,
     .keys = {KEY_AT(1, SORTED_FLAGS), KEYS_UNKNOWN(SORTED_FLAGS)},
     .find_keys = find_key,
     .function = sort_ro_command,
     .arguments = "key#key0 [BY=pattern#pattern1] [LIMIT=offset_count(offset#integer count#integer)] "
                  "[GET=pattern#pattern1+] [order(ASC|DESC)] [ALPHA=sorting#token]",
     .group = "generic",
     .since = "7.0.0",
     .complexity = SORT_COMPLEXITY,
     .summary = "Returns the elements of a list, a set or a sorted set in order."},
};
const size_t sort_command_count = sizeof(sort_commands) / sizeof(sort_commands[0]);
