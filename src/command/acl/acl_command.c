/* ACL: users and their rules, seen and changed by clients. */
#include "base/memory.h"
#include "base/random.h"
#include "command/acl/acl_user.h"
#include "command/args.h"
#include "command/families.h"

/* --- telling ------------------------------------------------------------------------------------------- */

static void reply_of(struct call *call,
                     void (*describe)(struct buffer *out, const struct acl_selector *selector),
                     const struct acl_selector *selector)
{
    struct buffer text = {0};
    describe(&text, selector);
    reply_bulk(call->reply, buffer_slice(&text));
    buffer_free(&text);
}

static void reply_selector(struct call *call, const struct acl_selector *selector)
{
    reply_bulk_text(call->reply, "commands");
    reply_of(call, acl_describe_commands, selector);
    reply_bulk_text(call->reply, "keys");
    reply_of(call, acl_describe_keys, selector);
    reply_bulk_text(call->reply, "channels");
    reply_of(call, acl_describe_channels, selector);
}

static void getuser_command(struct call *call)
{
    call_redact(call, 2);
    struct reply *reply = call->reply;
    const struct acl_user *user = acl_find(call->world->acl, call->argv[2]);
    if (!user) {
        reply_null(reply);
        return;
    }
    reply_map(reply, 6);
    reply_bulk_text(reply, "flags");
    reply_set(reply, 2 + user->nopass);
    reply_bulk_text(reply, user->on ? "on" : "off");
    if (user->nopass)
        reply_bulk_text(reply, "nopass");
    reply_bulk_text(reply, user->skips_sanitizing ? "skip-sanitize-payload" : "sanitize-payload");
    reply_bulk_text(reply, "passwords");
    reply_array(reply, (int64_t)user->password_count);
    for (size_t i = 0; i < user->password_count; i++)
        reply_bulk(reply, slice_make(user->passwords[i], ACL_HASH_SIZE));
    reply_selector(call, &user->selectors[0]);
    reply_bulk_text(reply, "selectors");
    reply_array(reply, (int64_t)user->selector_count - 1);
    for (size_t i = 1; i < user->selector_count; i++) {
        reply_map(reply, 3);
        reply_selector(call, &user->selectors[i]);
    }
}

static void list_command(struct call *call)
{
    const struct acl *acl = call->world->acl;
    struct buffer text = {0};
    reply_array(call->reply, (int64_t)acl_count(acl));
    for (size_t i = 0; i < acl_count(acl); i++) {
        buffer_clear(&text);
        acl_describe(&text, acl_at(acl, i), ACL_SHOWN);
        reply_bulk(call->reply, buffer_slice(&text));
    }
    buffer_free(&text);
}

static void users_command(struct call *call)
{
    const struct acl *acl = call->world->acl;
    reply_array(call->reply, (int64_t)acl_count(acl));
    for (size_t i = 0; i < acl_count(acl); i++)
        reply_bulk(call->reply, acl_user_name(acl_at(acl, i)));
}

static void whoami_command(struct call *call)
{
    reply_bulk(call->reply, acl_user_name(call->session->user));
}

static int64_t reply_in_category(struct call *call, const struct command_entry *entry, size_t category)
{
    int64_t told = 0;
    if (command_in_category(entry->row, category)) {
        reply_bulk_text(call->reply, entry->full_name);
        told++;
    }
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        told += reply_in_category(call, &entry->children[i], category);
    return told;
}

static void cat_command(struct call *call)
{
    const struct command_table *table = call->world->commands;
    size_t count = 0;
    size_t found = SIZE_MAX;
    if (call->argc > 3) {
        call_subcommand_error(call);
        return;
    }
    for (; command_category_name(count); count++)
        if (call->argc == 3 && slice_is(call->argv[2], command_category_name(count)))
            found = count;
    if (call->argc == 2) {
        reply_array(call->reply, (int64_t)count);
        for (size_t i = 0; i < count; i++)
            reply_bulk_text(call->reply, command_category_name(i));
        return;
    }
    if (found == SIZE_MAX) {
        reply_error_format(call->reply, "ERR Unknown category '%.*s'", quote_size(call->argv[2]),
                           call->argv[2].data);
        return;
    }
    struct output_gap gap = reply_later(call->reply);
    int64_t told = 0;
    for (size_t i = 0; i < command_table_count_all(table); i++)
        told += reply_in_category(call, command_table_at(table, i), found);
    reply_array_at(call->reply, gap, told);
}

/* --- trying -------------------------------------------------------------------------------------------- */

static void dryrun_command(struct call *call)
{
    const struct slice *argv = call->argv + 3;
    int argc = call->argc - 3;
    const struct acl_user *user = acl_find(call->world->acl, call->argv[2]);
    if (!user) {
        reply_error_format(call->reply, "ERR User '%.*s' not found", quote_size(call->argv[2]),
                           call->argv[2].data);
        return;
    }
    const struct command_entry *entry = command_table_find_called(call->world->commands, argv[0]);
    if (entry && entry->children && argc > 1)
        entry = command_entry_child(entry, argv[1]);
    if (!entry) {
        reply_error_format(call->reply, "ERR Command '%.*s' not found", quote_size(argv[0]), argv[0].data);
        return;
    }
    if (!command_arity_fits(entry->row, argc)) {
        reply_error_format(call->reply, "ERR wrong number of arguments for '%s' command", entry->full_name);
        return;
    }
    int denied;
    enum acl_verdict verdict = acl_check(user, entry, argc, argv, &denied);
    if (verdict == ACL_PERMITTED) {
        reply_ok(call->reply);
        return;
    }
    struct buffer text = {0};
    acl_explain(&text, verdict, user, entry, argv[denied], true);
    reply_bulk(call->reply, buffer_slice(&text));
    buffer_free(&text);
}

#define GENPASS_BITS     256
#define GENPASS_BITS_MAX 4096

static void genpass_command(struct call *call)
{
    int64_t bits = GENPASS_BITS;
    char digits[GENPASS_BITS_MAX / 4 + 1];
    if (call->argc > 3) {
        call_subcommand_error(call);
        return;
    }
    if (call->argc == 3) {
        if (!call_int(call, 2, &bits))
            return;
        if (bits <= 0 || bits > GENPASS_BITS_MAX) {
            reply_error(call->reply,
                        "ERR ACL GENPASS argument must be the number of bits for the output password, a "
                        "positive number up to 4096");
            return;
        }
    }
    size_t size = ((size_t)bits + 3) / 4;
    random_hex(digits, size);
    reply_bulk(call->reply, slice_make(digits, size));
}

/* --- changing ------------------------------------------------------------------------------------------ */

static void reply_failure(struct call *call, struct buffer *error)
{
    reply_error_format(call->reply, "ERR %.*s", (int)error->size, error->data);
}

static void setuser_command(struct call *call)
{
    struct buffer error = {0};
    for (int i = 2; i < call->argc; i++)
        call_redact(call, i);
    if (acl_set_user(call->world->acl, call->argv[2], call->argc - 3, call->argv + 3, &error))
        reply_ok(call->reply);
    else
        reply_failure(call, &error);
    buffer_free(&error);
}

static void deluser_command(struct call *call)
{
    struct acl *acl = call->world->acl;
    int64_t deleted = 0;
    for (int i = 2; i < call->argc; i++)
        call_redact(call, i);
    for (int i = 2; i < call->argc; i++) {
        if (acl_find(acl, call->argv[i]) == acl_default_user(acl)) {
            reply_error(call->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    for (int i = 2; i < call->argc; i++)
        deleted += acl_delete_user(acl, call->argv[i]);
    reply_int(call->reply, deleted);
}

static void use_file(struct call *call, bool (*use)(struct world *world, struct buffer *error))
{
    struct buffer error = {0};
    if (!use)
        buffer_append_text(&error, "This server has no files");
    if (use && use(call->world, &error))
        reply_ok(call->reply);
    else
        reply_failure(call, &error);
    buffer_free(&error);
}

static void load_command(struct call *call)
{
    use_file(call, acl_hooks(call->world->acl)->load);
}

static void save_command(struct call *call)
{
    use_file(call, acl_hooks(call->world->acl)->save);
}

/* --- the log ------------------------------------------------------------------------------------------- */

#define LOG_SHOWN 10

static void reply_logged(struct call *call, const struct acl_log_entry *entry)
{
    static const char *const reasons[] = {[ACL_PERMITTED] = "",
                                          [ACL_NO_COMMAND] = "command",
                                          [ACL_NO_KEY] = "key",
                                          [ACL_NO_AUTH] = "auth",
                                          [ACL_NO_CHANNEL] = "channel"};
    static const char *const contexts[] = {[ACL_TOPLEVEL] = "toplevel", [ACL_MULTI] = "multi"};
    struct reply *reply = call->reply;
    reply_map(reply, 10);
    reply_bulk_text(reply, "count");
    reply_int(reply, (int64_t)entry->count);
    reply_bulk_text(reply, "reason");
    reply_bulk_text(reply, reasons[entry->verdict]);
    reply_bulk_text(reply, "context");
    reply_bulk_text(reply, contexts[entry->context]);
    reply_bulk_text(reply, "object");
    reply_bulk(reply, entry->what);
    reply_bulk_text(reply, "username");
    reply_bulk(reply, entry->user);
    reply_bulk_text(reply, "age-seconds");
    reply_double(reply, (double)((call->world->monotonic_us - entry->updated_us) / 1000) / 1000);
    reply_bulk_text(reply, "client-info");
    reply_bulk(reply, entry->client);
    reply_bulk_text(reply, "entry-id");
    reply_int(reply, (int64_t)entry->id);
    reply_bulk_text(reply, "timestamp-created");
    reply_int(reply, entry->created_ms);
    reply_bulk_text(reply, "timestamp-last-updated");
    reply_int(reply, entry->updated_ms);
}

static void log_command(struct call *call)
{
    struct acl *acl = call->world->acl;
    int64_t count = LOG_SHOWN;
    if (call->argc > 3) {
        call_subcommand_error(call);
        return;
    }
    if (call->argc == 3 && slice_is(call->argv[2], "reset")) {
        acl_log_reset(acl);
        reply_ok(call->reply);
        return;
    }
    if (call->argc == 3 && !call_int(call, 2, &count))
        return;
    int64_t size = (int64_t)acl_log_size(acl);
    count = count < 0 ? 0 : count > size ? size : count;
    reply_array(call->reply, count);
    for (int64_t i = 0; i < count; i++)
        reply_logged(call, acl_log_at(acl, (size_t)i));
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    List the commands of a category, or all categories.",
        "DELUSER <username> [<username> ...]",
        "    Delete users; their connections are closed.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tell whether the user could run the command, without running it.",
        "GETUSER <username>",
        "    Tell the rules of a user.",
        "GENPASS [<bits>]",
        "    Make up a password of 256 bits, or of as many as are asked for.",
        "LIST",
        "    Tell all users as lines of a configuration file.",
        "LOAD",
        "    Read the users anew from the ACL file.",
        "LOG [<count> | RESET]",
        "    Tell what was refused lately, or forget it.",
        "SAVE",
        "    Write the users to the ACL file.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Create a user, or change one.",
        "USERS",
        "    List the names of all users.",
        "WHOAMI",
        "    Tell the name of the connection's own user.",
        NULL,
    };
    call_help(call, lines);
}

#define OWN   (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define ADMIN (CMD_ADMIN | OWN)

static const struct command acl_subcommands[] = {
    {.name = "cat",
     .arity = -2,
     .flags = OWN,
     .function = cat_command,
     .arguments = "[categoryname]",
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(1) since the categories and commands are a fixed set.",
     .summary = "Lists the ACL categories, or the commands inside a category."},
    {.name = "deluser",
     .arity = -3,
     .flags = ADMIN,
     .function = deluser_command,
     .arguments = "username*",
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(1) amortized time considering the typical user.",
     .summary = "Deletes ACL users, and terminates their connections.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
    {.name = "dryrun",
     .arity = -4,
     .flags = ADMIN,
     .function = dryrun_command,
     .arguments = "username command [arg*]",
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(1).",
     .summary = "Simulates the execution of a command by a user, without executing the command."},
    {.name = "genpass",
     .arity = -2,
     .flags = OWN,
     .function = genpass_command,
     .arguments = "[bits#integer]",
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Generates a pseudorandom, secure password that can be used to identify ACL users."},
    {.name = "getuser",
     .arity = 3,
     .flags = ADMIN,
     .function = getuser_command,
     .arguments = "username",
     .group = "server",
     .since = "6.0.0",
     .history = "6.2.0 Tells the patterns of channels.\n"
                "7.0.0 Tells selectors, and patterns as rules instead of lists.",
     .complexity = "O(N). Where N is the number of password, command and pattern rules that the user has.",
     .summary = "Lists the ACL rules of a user."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "list",
     .arity = 2,
     .flags = ADMIN,
     .function = list_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of configured users.",
     .summary = "Dumps the effective rules in ACL file format."},
    {.name = "load",
     .arity = 2,
     .flags = ADMIN,
     .function = load_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of configured users.",
     .summary = "Reloads the rules from the configured ACL file."},
    {.name = "log",
     .arity = -2,
     .flags = ADMIN,
     .function = log_command,
     .arguments = "[operation(count#integer|RESET)]",
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(N) with N being the number of entries shown.",
     .summary = "Lists recent security events generated due to ACL rules."},
    {.name = "save",
     .arity = 2,
     .flags = ADMIN,
     .function = save_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of configured users.",
     .summary = "Saves the effective ACL rules in the configured ACL file.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
    {.name = "setuser",
     .arity = -3,
     .flags = ADMIN,
     .function = setuser_command,
     .arguments = "username [rule*]",
     .group = "server",
     .since = "6.0.0",
     .history = "6.2.0 Takes patterns of channels.\n"
                "7.0.0 Takes selectors, and patterns of keys to read or to write.",
     .complexity = "O(N). Where N is the number of rules provided.",
     .summary = "Creates and modifies an ACL user and its rules.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
    {.name = "users",
     .arity = 2,
     .flags = ADMIN,
     .function = users_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of configured users.",
     .summary = "Lists all ACL users."},
    {.name = "whoami",
     .arity = 2,
     .flags = OWN,
     .function = whoami_command,
     .group = "server",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Returns the authenticated username of the current connection."},
};

const struct command acl_family[] = {
    {.name = "acl",
     .arity = -2,
     .group = "server",
     .since = "6.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Access List Control commands.",
     .subcommands = acl_subcommands,
     .subcommand_count = sizeof(acl_subcommands) / sizeof(acl_subcommands[0])},
};
const size_t acl_family_count = sizeof(acl_family) / sizeof(acl_family[0]);
