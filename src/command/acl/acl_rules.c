/* The language of rules: reading them, and writing what they come to. */
#include <assert.h>
#include <ctype.h>
#include <openssl/sha.h>

#include "base/diag.h"
#include "base/glob.h"
#include "base/memory.h"
#include "command/acl/acl_user.h"

static const char wrong_syntax[] = "Syntax error";
static const char unknown_name[] = "Unknown command or category name in ACL";

/* --- passwords ----------------------------------------------------------------------------------------- */

void acl_hash_password(struct slice password, char hash[ACL_HASH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    static_assert(2 * SHA256_DIGEST_LENGTH == ACL_HASH_SIZE, "two digits a byte");
    SHA256((const unsigned char *)password.data, password.size, bytes);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        hash[2 * i] = digits[bytes[i] >> 4];
        hash[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static bool is_hash(struct slice text)
{
    if (text.size != ACL_HASH_SIZE)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!isdigit((unsigned char)text.data[i]) && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return true;
}

static size_t password_find(const struct acl_user *user, const char *hash)
{
    size_t i = 0;
    while (i < user->password_count && memcmp(user->passwords[i], hash, ACL_HASH_SIZE) != 0)
        i++;
    return i;
}

static void password_add(struct acl_user *user, const char *hash)
{
    user->nopass = false;
    if (password_find(user, hash) < user->password_count)
        return;
    user->passwords = mem_realloc(user->passwords, (user->password_count + 1) * sizeof(*user->passwords));
    memcpy(user->passwords[user->password_count++], hash, ACL_HASH_SIZE);
}

static const char *password_remove(struct acl_user *user, const char *hash)
{
    size_t at = password_find(user, hash);
    if (at == user->password_count)
        return "The password you are trying to remove from the user does not exist";
    user->password_count--;
    memmove(user->passwords[at], user->passwords[at + 1],
            (user->password_count - at) * sizeof(*user->passwords));
    return NULL;
}

/* >password, <password, #hash and !hash. */
static const char *apply_password(struct acl_user *user, struct slice rule)
{
    char hash[ACL_HASH_SIZE];
    struct slice text = slice_make(rule.data + 1, rule.size - 1);
    bool is_clear = rule.data[0] == '>' || rule.data[0] == '<';
    if (is_clear) {
        acl_hash_password(text, hash);
    } else {
        if (!is_hash(text))
            return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
                   "characters";
        memcpy(hash, text.data, ACL_HASH_SIZE);
    }
    if (rule.data[0] == '<' || rule.data[0] == '!')
        return password_remove(user, hash);
    password_add(user, hash);
    return NULL;
}

/* --- commands ------------------------------------------------------------------------------------------ */

static void command_set(struct acl_selector *selector, unsigned id, bool permitted)
{
    ASSERT(id < ACL_COMMANDS_MAX);
    uint64_t bit = UINT64_C(1) << (id % 64);
    if (permitted) {
        selector->commands[id / 64] |= bit;
    } else {
        selector->commands[id / 64] &= ~bit;
        selector->all_commands = false;
    }
}

static void first_args_forget(struct acl_selector *selector, unsigned command)
{
    size_t left = 0;
    for (size_t i = 0; i < selector->first_arg_count; i++) {
        if (selector->first_args[i].command == command)
            buffer_free(&selector->first_args[i].text);
        else
            selector->first_args[left++] = selector->first_args[i];
    }
    selector->first_arg_count = left;
}

/* A command and its subcommands. */
static void entry_set(struct acl_selector *selector, const struct command_entry *entry, bool permitted)
{
    command_set(selector, entry->id, permitted);
    first_args_forget(selector, entry->id);
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        command_set(selector, entry->children[i].id, permitted);
}

static void rules_clear(struct acl_selector *selector)
{
    for (size_t i = 0; i < selector->rule_count; i++)
        buffer_free(&selector->rules[i].name);
    mem_free(selector->rules);
    selector->rules = NULL;
    selector->rule_count = 0;
}

static void all_commands_set(struct acl_selector *selector, bool permitted)
{
    memset(selector->commands, permitted ? 0xff : 0, sizeof(selector->commands));
    selector->all_commands = permitted;
    for (size_t i = 0; i < selector->first_arg_count; i++)
        buffer_free(&selector->first_args[i].text);
    selector->first_arg_count = 0;
    rules_clear(selector);
}

static void first_arg_add(struct acl_selector *selector, unsigned command, struct slice text)
{
    for (size_t i = 0; i < selector->first_arg_count; i++)
        if (selector->first_args[i].command == command &&
            slice_equal(buffer_slice(&selector->first_args[i].text), text))
            return;
    selector->first_args =
        mem_realloc(selector->first_args, (selector->first_arg_count + 1) * sizeof(*selector->first_args));
    struct acl_first_arg *added = &selector->first_args[selector->first_arg_count++];
    *added = (struct acl_first_arg){.command = command};
    buffer_append_slice(&added->text, text);
}

/* Whether a rule is about name or one of name's subcommands or first arguments. */
static bool rule_is_about(struct slice rule, struct slice name)
{
    return rule.size >= name.size && memcmp(rule.data, name.data, name.size) == 0 &&
           (rule.size == name.size || rule.data[name.size] == '|');
}

/* Adds a rule behind the others, without those that it makes void. */
static void rules_add(struct acl_selector *selector, char sign, struct slice name)
{
    struct acl_rule added = {.sign = sign};
    size_t left = 0;
    for (size_t i = 0; i < name.size; i++)
        buffer_append_char(&added.name, (char)tolower((unsigned char)name.data[i]));
    for (size_t i = 0; i < selector->rule_count; i++) {
        if (rule_is_about(buffer_slice(&selector->rules[i].name), buffer_slice(&added.name)))
            buffer_free(&selector->rules[i].name);
        else
            selector->rules[left++] = selector->rules[i];
    }
    selector->rules = mem_realloc(selector->rules, (left + 1) * sizeof(*selector->rules));
    selector->rules[left] = added;
    selector->rule_count = left + 1;
}

static bool category_apply(struct acl_selector *selector, struct slice name, bool permitted,
                           const struct command_table *table)
{
    size_t category = 0;
    while (command_category_name(category) && !slice_is(name, command_category_name(category)))
        category++;
    if (!command_category_name(category))
        return false;
    for (size_t i = 0; i < command_table_count_all(table); i++) {
        const struct command_entry *entry = command_table_at(table, i);
        if (command_in_category(entry->row, category))
            entry_set(selector, entry, permitted);
        for (size_t j = 0; j < entry->row->subcommand_count; j++)
            if (command_in_category(entry->children[j].row, category))
                command_set(selector, entry->children[j].id, permitted);
    }
    return true;
}

/* +command|argument for a command without subcommands. */
static const char *apply_first_arg(struct acl_selector *selector, struct slice name, size_t bar,
                                   const struct command_table *table)
{
    struct slice argument = slice_make(name.data + bar + 1, name.size - bar - 1);
    const struct command_entry *entry = command_table_lookup(table, slice_make(name.data, bar));
    if (!entry)
        return unknown_name;
    if (entry->parent)
        return "Allowing first-arg of a subcommand is not supported";
    /* Redis ends the argument at a zero byte, which would permit what was not asked for. */
    if (argument.size == 0 || memchr(argument.data, '\0', argument.size))
        return wrong_syntax;
    if (entry->row->subcommand_count > 0)
        return unknown_name;
    first_arg_add(selector, entry->id, argument);
    return NULL;
}

static size_t last_bar(struct slice name)
{
    size_t at = name.size;
    while (at > 0 && name.data[at - 1] != '|')
        at--;
    return at > 0 ? at - 1 : name.size;
}

/* +command, -command|subcommand, +@category and the like. */
static const char *apply_command(struct acl_selector *selector, struct slice rule, const struct acl *acl)
{
    const struct command_table *table = acl_commands(acl);
    bool permitted = rule.data[0] == '+';
    struct slice name = slice_make(rule.data + 1, rule.size - 1);
    if (name.size > 0 && name.data[0] == '@') {
        if (!category_apply(selector, slice_make(name.data + 1, name.size - 1), permitted, table))
            return unknown_name;
        rules_add(selector, rule.data[0], name);
        return NULL;
    }
    const struct command_entry *entry = command_table_lookup(table, name);
    size_t bar = last_bar(name);
    if (entry) {
        entry_set(selector, entry, permitted);
        name = slice_of(entry->full_name);
    } else if (!acl_name_is_foreign(name)) {
        const char *error =
            permitted && bar < name.size ? apply_first_arg(selector, name, bar, table) : unknown_name;
        if (error)
            return error;
    } else if (!permitted) {
        selector->all_commands = false;
    }
    rules_add(selector, rule.data[0], name);
    return NULL;
}

/* --- patterns ------------------------------------------------------------------------------------------ */

static void pattern_free(struct acl_pattern *pattern)
{
    buffer_free(&pattern->text);
    glob_free(pattern->glob);
}

static void patterns_clear(struct acl_patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        pattern_free(&patterns->items[i]);
    mem_free(patterns->items);
    *patterns = (struct acl_patterns){.all = false};
}

static void patterns_all(struct acl_patterns *patterns)
{
    patterns_clear(patterns);
    patterns->all = true;
}

static bool has_spaces(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (isspace((unsigned char)text.data[i]) || text.data[i] == '\0')
            return true;
    return false;
}

static const char *pattern_add(struct acl_patterns *patterns, struct slice text, unsigned permissions)
{
    if (has_spaces(text))
        return wrong_syntax;
    for (size_t i = 0; i < patterns->count; i++) {
        if (slice_equal(buffer_slice(&patterns->items[i].text), text)) {
            patterns->items[i].permissions |= permissions;
            return NULL;
        }
    }
    struct glob *glob = glob_new(text, false);
    if (!glob)
        return wrong_syntax;
    patterns->items = mem_realloc(patterns->items, (patterns->count + 1) * sizeof(*patterns->items));
    struct acl_pattern *added = &patterns->items[patterns->count++];
    *added = (struct acl_pattern){.permissions = permissions, .glob = glob};
    buffer_append_slice(&added->text, text);
    return NULL;
}

/* ~pattern and %R~pattern. */
static const char *apply_keys(struct acl_selector *selector, struct slice rule)
{
    if (selector->keys.all)
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
               "any "
               "effect. Try 'resetkeys' to start with an empty list of patterns";
    unsigned permissions = rule.data[0] == '~' ? ACL_READ_WRITE : 0;
    size_t at = 1;
    for (; rule.data[0] == '%' && at < rule.size && rule.data[at] != '~'; at++) {
        char letter = (char)toupper((unsigned char)rule.data[at]);
        unsigned permission = letter == 'R' ? ACL_READ : letter == 'W' ? ACL_WRITE : 0;
        if (!permission || (permissions & permission))
            return wrong_syntax;
        permissions |= permission;
    }
    if (!permissions)
        return wrong_syntax;
    at += rule.data[0] == '%' && at < rule.size;
    return pattern_add(&selector->keys, slice_make(rule.data + at, rule.size - at), permissions);
}

static const char *apply_channels(struct acl_selector *selector, struct slice rule)
{
    if (selector->channels.all)
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
               "have any "
               "effect. Try 'resetchannels' to start with an empty list of channels";
    return pattern_add(&selector->channels, slice_make(rule.data + 1, rule.size - 1), 0);
}

/* --- selectors ----------------------------------------------------------------------------------------- */

void acl_selector_init(struct acl_selector *selector, bool all_channels)
{
    *selector = (struct acl_selector){.channels = {.all = all_channels}};
}

void acl_selector_free(struct acl_selector *selector)
{
    all_commands_set(selector, false);
    mem_free(selector->first_args);
    patterns_clear(&selector->keys);
    patterns_clear(&selector->channels);
}

static const char *selector_apply(struct acl_selector *selector, struct slice rule, const struct acl *acl)
{
    if (slice_is(rule, "allkeys") || slice_is(rule, "~*"))
        patterns_all(&selector->keys);
    else if (slice_is(rule, "resetkeys"))
        patterns_clear(&selector->keys);
    else if (slice_is(rule, "allchannels") || slice_is(rule, "&*"))
        patterns_all(&selector->channels);
    else if (slice_is(rule, "resetchannels"))
        patterns_clear(&selector->channels);
    else if (slice_is(rule, "allcommands") || slice_is(rule, "+@all"))
        all_commands_set(selector, true);
    else if (slice_is(rule, "nocommands") || slice_is(rule, "-@all"))
        all_commands_set(selector, false);
    else if (rule.data[0] == '~' || rule.data[0] == '%')
        return apply_keys(selector, rule);
    else if (rule.data[0] == '&')
        return apply_channels(selector, rule);
    else if (rule.data[0] == '+' || rule.data[0] == '-')
        return apply_command(selector, rule, acl);
    else
        return wrong_syntax;
    return NULL;
}

/* "(rule ...)" */
static const char *apply_selector(struct acl_user *user, struct slice rule, const struct acl *acl)
{
    struct acl_selector selector;
    struct buffer *words;
    const char *error = NULL;
    if (rule.data[rule.size - 1] != ')' || rule.size < 2)
        return wrong_syntax;
    int count = words_split(slice_make(rule.data + 1, rule.size - 2), &words);
    if (count < 0)
        return wrong_syntax;
    acl_selector_init(&selector, acl_channels_by_default(acl));
    for (int i = 0; i < count && !error; i++)
        error = words[i].size ? selector_apply(&selector, buffer_slice(&words[i]), acl) : NULL;
    words_free(words, count);
    if (error) {
        acl_selector_free(&selector);
        return error;
    }
    user->selectors = mem_realloc(user->selectors, (user->selector_count + 1) * sizeof(*user->selectors));
    user->selectors[user->selector_count++] = selector;
    return NULL;
}

/* --- users --------------------------------------------------------------------------------------------- */

static void selectors_clear(struct acl_user *user)
{
    while (user->selector_count > 1)
        acl_selector_free(&user->selectors[--user->selector_count]);
}

static void passwords_clear(struct acl_user *user)
{
    user->password_count = 0;
    user->nopass = false;
}

static void user_reset(struct acl_user *user, const struct acl *acl)
{
    passwords_clear(user);
    selectors_clear(user);
    acl_selector_free(&user->selectors[0]);
    acl_selector_init(&user->selectors[0], acl_channels_by_default(acl));
    user->on = false;
    user->skips_sanitizing = false;
}

static const char *user_apply(struct acl_user *user, struct slice rule, const struct acl *acl)
{
    if (rule.size == 0)
        return NULL; /* Redis takes an empty rule for none */
    if (slice_is(rule, "on") || slice_is(rule, "off"))
        user->on = rule.size == 2;
    else if (slice_is(rule, "skip-sanitize-payload") || slice_is(rule, "sanitize-payload"))
        user->skips_sanitizing = slice_is(rule, "skip-sanitize-payload");
    else if (slice_is(rule, "resetpass"))
        passwords_clear(user);
    else if (slice_is(rule, "clearselectors"))
        selectors_clear(user);
    else if (slice_is(rule, "reset"))
        user_reset(user, acl);
    else if (slice_is(rule, "nopass")) {
        passwords_clear(user);
        user->nopass = true;
    } else if (memchr("><#!", rule.data[0], 4))
        return apply_password(user, rule);
    else if (rule.data[0] == '(')
        return apply_selector(user, rule, acl);
    else
        return selector_apply(&user->selectors[0], rule, acl);
    return NULL;
}

const char *acl_user_apply(struct acl_user *user, struct slice rule, const struct acl *acl)
{
    const char *error = user_apply(user, rule, acl);
    user->unrestricted = false;
    for (size_t i = 0; i < user->selector_count; i++) {
        const struct acl_selector *selector = &user->selectors[i];
        user->unrestricted |= selector->all_commands && selector->keys.all && selector->channels.all;
    }
    return error;
}
