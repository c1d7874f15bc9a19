/* The users of the running server: lines of the configuration, the file that aclfile names, and what the
 * access control of command/acl.h wants from this floor. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl.h"
#include "server/acl_file.h"
#include "server/apply.h"
#include "server/config_table.h"
#include "server/replace_file.h"

/* --- what the lists ask for ---------------------------------------------------------------------------- */

static void close_session(struct session *session)
{
    if (session->owner)
        connection_close_after_reply(session->owner);
    else if (session->http_owner)
        http_connection_close(session->http_owner);
    else
        session->close_after_reply = true;
}

static void describe_session(struct buffer *out, const struct session *session)
{
    client_describe(out, session);
    if (out->size)
        out->size--; /* the newline */
}

/* Who may connect from elsewhere depends on whether anybody needs a password. */
static void openness_changed(struct world *world)
{
    struct server *server = server_of(world);
    if (!server || !server->net || !server->http)
        return;
    struct net_limits limits = net_limits_from(server);
    net_set_limits(server->net, &limits);
    struct http_limits http_limits = http_limits_from(server);
    http_set_limits(server->http, &http_limits);
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* Takes the draft into use if all went well. */
static bool draft_end(struct acl_draft *draft, bool ok)
{
    if (ok)
        acl_draft_apply(draft);
    else
        acl_draft_free(draft);
    return ok;
}

/* Takes the file's users into use, all or none. */
static bool load_file(struct acl *acl, const char *path, struct buffer *error)
{
    struct buffer text = {0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int result = descriptor < 0 ? -errno : config_read_all(descriptor, &text);
    if (descriptor >= 0)
        close(descriptor);
    if (result < 0) {
        buffer_append_format(error, "Error loading ACLs, opening file '%s': %s", path, strerror(-result));
        buffer_free(&text);
        return false;
    }
    struct acl_draft *draft = acl_draft_new(acl);
    bool ok = draft_end(draft, acl_file_read(draft, path, buffer_slice(&text), error));
    buffer_free(&text);
    return ok;
}

/* What `user` lines of a configuration say. */
static bool read_configured(struct acl_draft *draft, const struct config *config, struct buffer *error)
{
    bool ok = true;
    for (int i = 0; i < config->user_count && ok; i++)
        ok = acl_draft_add(draft, config->users[i].count, config->users[i].words, error);
    return ok;
}

static bool load_configured(struct acl *acl, const struct config *config, struct buffer *error)
{
    struct acl_draft *draft = acl_draft_new(acl);
    return draft_end(draft, read_configured(draft, config, error));
}

/* --- ACL LOAD and SAVE --------------------------------------------------------------------------------- */

static bool file_is_configured(const struct config *config, struct buffer *error)
{
    if (config->aclfile[0] != '\0')
        return true;
    buffer_append_text(
        error, "This Redis instance is not configured to use an ACL file. You may want to specify "
               "users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a "
               "Redis configuration file set) in order to store users in the Redis configuration.");
    return false;
}

static bool load_hook(struct world *world, struct buffer *error)
{
    const struct config *config = server_of(world)->config;
    if (!file_is_configured(config, error))
        return false;
    if (load_file(world->acl, config->aclfile, error))
        return true;
    buffer_append_text(
        error, ". WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    return false;
}

static bool save_hook(struct world *world, struct buffer *error)
{
    const struct config *config = server_of(world)->config;
    struct buffer text = {0};
    if (!file_is_configured(config, error))
        return false;
    int result = 0;
    bool ok = acl_file_write(world->acl, &text, error);
    if (ok)
        result = file_replace(config->aclfile, buffer_slice(&text));
    buffer_free(&text);
    if (result == 0)
        return ok;
    diag(DIAG_WARNING, "ACL SAVE: cannot write %s: %s", config->aclfile, strerror(-result));
    buffer_append_text(
        error,
        "There was an error trying to save the ACLs. Please check the server logs for more information");
    return false;
}

/* --- CONFIG REWRITE ------------------------------------------------------------------------------------ */

bool server_users_are_those_of(void *context, const struct config *config)
{
    const struct server *server = context;
    struct buffer ignored = {0};
    if (server->config->aclfile[0] != '\0')
        return true; /* the ACL file's */
    struct acl_draft *draft = acl_draft_new(server->world->acl);
    bool same = read_configured(draft, config, &ignored) && acl_draft_changes_nothing(draft);
    acl_draft_free(draft);
    buffer_free(&ignored);
    return same;
}

void server_append_users(void *context, struct buffer *out)
{
    const struct acl *acl = ((const struct server *)context)->world->acl;
    for (size_t i = 0; i < acl_count(acl); i++) {
        acl_describe(out, acl_at(acl, i), ACL_IN_CONFIGURATION);
        buffer_append_char(out, '\n');
    }
}

/* --- the start ----------------------------------------------------------------------------------------- */

bool server_load_users(struct server *server)
{
    static const struct acl_hooks hooks = {.close_session = close_session,
                                           .describe_session = describe_session,
                                           .changed = openness_changed,
                                           .load = load_hook,
                                           .save = save_hook};
    const struct config *config = server->config;
    struct acl *acl = server->world->acl;
    struct buffer error = {0};
    struct acl_settings settings = acl_settings_from(config);
    acl_set_hooks(acl, &hooks);
    acl_set_settings(acl, &settings);
    if (config->requirepass.size > 0)
        acl_set_default_password(acl, config->requirepass);
    bool ok = true;
    if (config->user_count > 0 && config->aclfile[0] != '\0') {
        ok = false;
        buffer_append_text(
            &error, "users are declared in the configuration and an ACL file is named, too: choose one");
    } else if (config->aclfile[0] != '\0') {
        ok = load_file(acl, config->aclfile, &error);
    } else if (config->user_count > 0) {
        ok = load_configured(acl, config, &error);
    }
    if (!ok)
        diag(DIAG_WARNING, "cannot start: users: %.*s", (int)error.size, error.data);
    buffer_free(&error);
    return ok;
}
