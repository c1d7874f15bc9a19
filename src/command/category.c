/* ACL categories: some are told by a command's row, others follow from its flags. */
#include "command/command.h"

/* A command is in a category when it has one of these categories or flags and none of those that exclude it.
 */
struct category {
    const char *name; /* without its @ */
    unsigned categories;
    unsigned flags;
    unsigned not_categories;
};

static const struct category categories[] = {
    {"keyspace", CAT_KEYSPACE, 0, 0},
    {"read", 0, CMD_READONLY, CAT_SCRIPTING},
    {"write", 0, CMD_WRITE, 0},
    {"set", CAT_SET, 0, 0},
    {"sortedset", CAT_SORTEDSET, 0, 0},
    {"list", CAT_LIST, 0, 0},
    {"hash", CAT_HASH, 0, 0},
    {"string", CAT_STRING, 0, 0},
    {"bitmap", CAT_BITMAP, 0, 0},
    {"hyperloglog", CAT_HYPERLOGLOG, 0, 0},
    {"geo", CAT_GEO, 0, 0},
    {"stream", CAT_STREAM, 0, 0},
    {"pubsub", 0, CMD_PUBSUB, 0},
    {"admin", CAT_ADMIN, CMD_ADMIN, 0},
    {"fast", 0, CMD_FAST, 0},
    {"slow", 0, 0, 0}, /* whatever is not fast */
    {"blocking", 0, CMD_BLOCKING, 0},
    {"dangerous", CAT_DANGEROUS, CMD_ADMIN, 0},
    {"connection", CAT_CONNECTION, 0, 0},
    {"transaction", CAT_TRANSACTION, 0, 0},
    {"scripting", CAT_SCRIPTING, 0, 0},
};

static bool category_has(const struct category *category, const struct command *command)
{
    if (!category->categories && !category->flags)
        return !(command->flags & CMD_FAST);
    if (command->categories & category->not_categories)
        return false;
    return (command->categories & category->categories) || (command->flags & category->flags);
}

const char *command_category_name(size_t category)
{
    return category < sizeof(categories) / sizeof(categories[0]) ? categories[category].name : NULL;
}

bool command_in_category(const struct command *command, size_t category)
{
    return category_has(&categories[category], command);
}
