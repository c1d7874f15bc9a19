/* Access control lists: who a client is, and which commands, keys and channels that lets it use. Rules, their
 * texts and their errors are those of Redis 7.2.
 *
 * A user has passwords and selectors; what any one of its selectors permits as a whole is permitted. Each
 * session has a user, at first "default". A session whose user is restricted in nothing pays for one test of
 * a flag. */
#ifndef DKV_COMMAND_ACL_ACL_H
#define DKV_COMMAND_ACL_ACL_H

#include "command/call.h"

struct acl;
struct acl_user;

/* What upper floors do for it; any may be NULL. */
struct acl_hooks {
    /* Closes a session's connection, or has it closed after the command that it is running. */
    void (*close_session)(struct session *session);
    /* What the log tells of a client. */
    void (*describe_session)(struct buffer *out, const struct session *session);
    /* Whether everybody is let in without a password may have changed. */
    void (*changed)(struct world *world);
    /* ACL LOAD and ACL SAVE. False: the error to reply is in *error. */
    bool (*load)(struct world *world, struct buffer *error);
    bool (*save)(struct world *world, struct buffer *error);
};

struct acl_settings {
    bool channels_by_default; /* acl-pubsub-default allchannels: new users may use all channels */
    size_t log_max;           /* acllog-max-len */
};

/* With the default user, who may do everything and needs no password. */
struct acl *acl_new(struct world *world);
void acl_free(struct acl *acl);
void acl_set_hooks(struct acl *acl, const struct acl_hooks *hooks);
void acl_set_settings(struct acl *acl, const struct acl_settings *settings);
/* requirepass: the default user's only password from now on; "": none is needed. */
void acl_set_default_password(struct acl *acl, struct slice password);
/* Whether the default user needs no password and is on. */
bool acl_is_open(const struct acl *acl);
/* Whether it needs no password, be it on or off. */
bool acl_default_needs_none(const struct acl *acl);

/* --- users --------------------------------------------------------------------------------------------- */

struct acl_user *acl_default_user(const struct acl *acl);
/* NULL when there is none. */
struct acl_user *acl_find(const struct acl *acl, struct slice name);
struct slice acl_user_name(const struct acl_user *user);
/* Nothing is forbidden to it. */
bool acl_user_is_unrestricted(const struct acl_user *user);
/* In order of their names. */
size_t acl_count(const struct acl *acl);
struct acl_user *acl_at(const struct acl *acl, size_t index);

/* Creates or changes a user by rules, all of them or none. False, with Redis's error behind "ERR " in *error.
 * Closes the sessions that listen to what they may not hear any more. */
bool acl_set_user(struct acl *acl, struct slice name, int count, const struct slice *rules,
                  struct buffer *error);
/* Closes its sessions. False when there is none, or it is the default user. */
bool acl_delete_user(struct acl *acl, struct slice name);
/* "user alice on #... ~* resetchannels -@all": the rules that make it what it is, with its name in front. */
enum acl_form {
    ACL_SHOWN,            /* as ACL LIST has it: blanks and quotes in rules as they are */
    ACL_IN_FILE,          /* as an ACL file has it; it need not read back: acl_draft_has tells */
    ACL_IN_CONFIGURATION, /* as a line of a configuration has it, which always reads back as the same user */
};
void acl_describe(struct buffer *out, const struct acl_user *user, enum acl_form form);
/* Whether the same rules made both, name and passwords included. */
bool acl_user_same(const struct acl_user *a, const struct acl_user *b);

/* Another set of users, read from somewhere before it takes the place of the one in force. */
struct acl_draft;
struct acl_draft *acl_draft_new(struct acl *acl);
/* words: of a line, "user" first. false: the reason is in *error, and the draft can only be freed. */
bool acl_draft_add(struct acl_draft *draft, int count, const struct slice *words, struct buffer *error);
size_t acl_draft_count(const struct acl_draft *draft);
/* Whether the draft has this very user. */
bool acl_draft_has(const struct acl_draft *draft, const struct acl_user *user);
/* Whether the users in force would stay what they are if it took their place. */
bool acl_draft_changes_nothing(const struct acl_draft *draft);
/* Frees the draft. Users that it does not name are gone, but for default, which becomes as it is at first;
 * all sessions of other users than default are closed. */
void acl_draft_apply(struct acl_draft *draft);
void acl_draft_free(struct acl_draft *draft);

/* --- sessions ------------------------------------------------------------------------------------------ */

/* The session is default's, and has to give a password if that needs one. */
void acl_session_begin(struct session *session);
/* Makes the session that user's. False, noted in the log, when the password is wrong or the user off.
 * command: how that was asked for. */
bool acl_authenticate(struct session *session, struct slice command, struct slice name,
                      struct slice password);

enum acl_verdict { ACL_PERMITTED, ACL_NO_COMMAND, ACL_NO_KEY, ACL_NO_AUTH, ACL_NO_CHANNEL };

/* Whether the user may run this. *denied: the argument that is to blame. */
enum acl_verdict acl_check(const struct acl_user *user, const struct command_entry *entry, int argc,
                           const struct slice *argv, int *denied);
/* Whether the user may use the key as a command does that has these key_flags. */
bool acl_permits_key(const struct acl_user *user, struct slice key, unsigned key_flags);
/* Whether one selector permits this call and reading any key whatsoever: for what is read is not known yet.
 */
bool acl_permits_reading_all(const struct acl_user *user, const struct command_entry *entry, int argc,
                             const struct slice *argv);
bool acl_permits_channel(const struct acl_user *user, struct slice channel, bool is_pattern);
/* The error of a refusal, without its code. told: with the key or channel, as DRYRUN shows them. */
void acl_explain(struct buffer *out, enum acl_verdict verdict, const struct acl_user *user,
                 const struct command_entry *entry, struct slice denied, bool told);

/* Whether Redis 7.2 has a command of this full name ("xgroup|create"): rules, and rename-command, may name
 * those that dkv has not. */
bool acl_name_is_foreign(struct slice name);

/* --- the log of refusals ------------------------------------------------------------------------------- */

enum acl_context { ACL_TOPLEVEL, ACL_MULTI };

/* what: the command, key, channel or user name. */
void acl_log_add(struct session *session, enum acl_verdict verdict, enum acl_context context,
                 struct slice what, struct slice user);

/* For ACL LOG. */
struct acl_log_entry {
    uint64_t id;
    uint64_t count;
    enum acl_verdict verdict;
    enum acl_context context;
    struct slice what;
    struct slice user;
    struct slice client; /* what it was at the last time */
    int64_t updated_us;  /* the steady clock's */
    int64_t created_ms;
    int64_t updated_ms;
};
size_t acl_log_size(const struct acl *acl);
/* 0: the newest. */
const struct acl_log_entry *acl_log_at(const struct acl *acl, size_t index);
void acl_log_reset(struct acl *acl);

#endif
