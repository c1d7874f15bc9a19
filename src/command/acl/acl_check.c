/* Whether a user may run a command with these arguments. */
#include "base/bytes.h"
#include "base/glob.h"
#include "command/acl/acl_user.h"

/* --- patterns ------------------------------------------------------------------------------------------ */

static bool key_is_permitted(const struct acl_selector *selector, struct slice key, unsigned key_flags)
{
    unsigned needed = 0;
    if (key_flags & KEY_ACCESS)
        needed |= ACL_READ;
    if (key_flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE))
        needed |= ACL_WRITE;
    if (selector->keys.all)
        return true;
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_pattern *pattern = &selector->keys.items[i];
        if ((pattern->permissions & needed) == needed && glob_matches(pattern->glob, key))
            return true;
    }
    return false;
}

/* Who subscribes to a pattern must have been given that very pattern: whether one pattern matches less than
 * another is not looked into. */
static bool channel_is_permitted(const struct acl_selector *selector, struct slice channel, bool is_pattern)
{
    if (selector->channels.all)
        return true;
    for (size_t i = 0; i < selector->channels.count; i++) {
        const struct acl_pattern *pattern = &selector->channels.items[i];
        if (is_pattern ? slice_equal(buffer_slice(&pattern->text), channel)
                       : glob_matches(pattern->glob, channel))
            return true;
    }
    return false;
}

bool acl_permits_key(const struct acl_user *user, struct slice key, unsigned key_flags)
{
    for (size_t i = 0; i < user->selector_count; i++)
        if (key_is_permitted(&user->selectors[i], key, key_flags))
            return true;
    return false;
}

bool acl_permits_channel(const struct acl_user *user, struct slice channel, bool is_pattern)
{
    for (size_t i = 0; i < user->selector_count; i++)
        if (channel_is_permitted(&user->selectors[i], channel, is_pattern))
            return true;
    return false;
}

/* --- commands ------------------------------------------------------------------------------------------ */

/* One call of a command, and what a selector finds wrong with it. */
struct check {
    const struct acl_selector *selector;
    const struct command_entry *entry;
    int argc;
    const struct slice *argv;
    enum acl_verdict verdict;
    int denied;
};

static bool command_is_permitted(const struct check *check)
{
    const struct acl_selector *selector = check->selector;
    unsigned id = check->entry->id;
    if (selector->all_commands || (check->entry->row->flags & CMD_NO_AUTH))
        return true;
    if (selector->commands[id / 64] >> (id % 64) & 1)
        return true;
    for (size_t i = 0; i < selector->first_arg_count && check->argc > 1; i++) {
        const struct acl_first_arg *first = &selector->first_args[i];
        if (first->command == id && slice_equal_nocase(buffer_slice(&first->text), check->argv[1]))
            return true;
    }
    return false;
}

static void check_key(void *context, int index, unsigned key_flags)
{
    struct check *check = context;
    if (check->verdict != ACL_PERMITTED)
        return;
    key_flags = command_key_flags_as_called(check->entry->row, check->argc, check->argv, key_flags);
    if (key_is_permitted(check->selector, check->argv[index], key_flags))
        return;
    check->verdict = ACL_NO_KEY;
    check->denied = index;
}

static void check_channels(struct check *check)
{
    unsigned traits = check->entry->row->traits;
    bool are_patterns = traits & TRAIT_TO_PATTERNS;
    int end = traits & (TRAIT_TO_CHANNELS | TRAIT_TO_PATTERNS) ? check->argc
              : traits & TRAIT_TO_CHANNEL                      ? 2
                                                               : 0;
    for (int i = 1; i < end && i < check->argc; i++) {
        if (channel_is_permitted(check->selector, check->argv[i], are_patterns))
            continue;
        check->verdict = ACL_NO_CHANNEL;
        check->denied = i;
        return;
    }
}

static void check_selector(struct check *check)
{
    if (!command_is_permitted(check)) {
        check->verdict = ACL_NO_COMMAND;
        return;
    }
    if (!check->selector->keys.all)
        command_each_key(check->entry->row, check->argc, check->argv, check_key, check);
    if (check->verdict == ACL_PERMITTED && !check->selector->channels.all)
        check_channels(check);
}

static bool reads_all_keys(const struct acl_selector *selector)
{
    bool all = selector->keys.all;
    for (size_t i = 0; i < selector->keys.count && !all; i++) {
        const struct acl_pattern *pattern = &selector->keys.items[i];
        all = (pattern->permissions & ACL_READ) && slice_is(buffer_slice(&pattern->text), "*");
    }
    return all;
}

bool acl_permits_reading_all(const struct acl_user *user, const struct command_entry *entry, int argc,
                             const struct slice *argv)
{
    for (size_t i = 0; i < user->selector_count; i++) {
        struct check check = {.selector = &user->selectors[i], .entry = entry, .argc = argc, .argv = argv};
        check_selector(&check);
        if (check.verdict == ACL_PERMITTED && reads_all_keys(check.selector))
            return true;
    }
    return false;
}

/* What is told is what the selector said that came closest to permitting it. */
enum acl_verdict acl_check(const struct acl_user *user, const struct command_entry *entry, int argc,
                           const struct slice *argv, int *denied)
{
    enum acl_verdict worst = ACL_NO_COMMAND;
    *denied = 0;
    for (size_t i = 0; i < user->selector_count; i++) {
        struct check check = {.selector = &user->selectors[i], .entry = entry, .argc = argc, .argv = argv};
        check_selector(&check);
        if (check.verdict == ACL_PERMITTED)
            return ACL_PERMITTED;
        if (check.verdict > worst || (check.verdict == worst && check.denied > *denied)) {
            worst = check.verdict;
            *denied = check.denied;
        }
    }
    return worst;
}

void acl_explain(struct buffer *out, enum acl_verdict verdict, const struct acl_user *user,
                 const struct command_entry *entry, struct slice denied, bool told)
{
    const char *kind = verdict == ACL_NO_KEY ? "key" : "channel";
    struct slice name = acl_user_name(user);
    if (verdict != ACL_NO_COMMAND && !told) {
        buffer_append_format(out, "No permissions to access a %s", kind);
        return;
    }
    buffer_append_format(out, "User %.*s has no permissions to ", (int)name.size, name.data);
    if (verdict == ACL_NO_COMMAND)
        buffer_append_format(out, "run the '%s' command", entry->full_name);
    else
        buffer_append_format(out, "access the '%.*s' %s", (int)denied.size, denied.data, kind);
}
