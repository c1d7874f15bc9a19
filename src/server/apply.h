/* From configuration to the parts that obey it: at start, and when CONFIG SET changes something. */
#ifndef DKV_SERVER_APPLY_H
#define DKV_SERVER_APPLY_H

#include "command/acl/acl.h"
#include "server/server.h"

struct world_settings settings_from(const struct config *config);
struct rewrite_triggers triggers_from(const struct config *config);
struct acl_settings acl_settings_from(const struct config *config);
/* Those of the configuration, and of who needs a password. */
struct net_limits net_limits_from(const struct server *server);
struct http_limits http_limits_from(const struct server *server);
struct log_options log_options_from(const struct config *config);
/* disk, clock and wake stay for the caller to fill in. */
struct journal_options journal_options_from(const struct config *config);

/* Listens where the configuration says; what was listened on before, and is not wanted any
 * more, is closed once that works, and goes on being served if it does not. */
bool server_listen(struct server *server, struct listen_error *error);
/* The same for HTTP. */
bool server_listen_http(struct server *server, struct listen_error *error);

/* What ps shows, unless set-proc-title says no. */
void server_set_title(const struct server *server);

/* Gives the journal the values in force: those that CONFIG SET changed while it was being recovered, too. */
void server_apply_journal(struct server *server);

/* The users that the configuration or its ACL file declares. False, told, when they cannot be had. Once, at
 * start. */
bool server_load_users(struct server *server);
/* The hooks for CONFIG REWRITE: context is the server. */
bool server_users_are_those_of(void *context, const struct config *config);
void server_append_users(void *context, struct buffer *out);

/* The hook for CONFIG SET: context is the server. */
const char *server_apply(void *context, const struct config *config, const char *directive);

#endif
