/* What users are made of. Private to acl*.c. */
#ifndef DKV_COMMAND_ACL_ACL_USER_H
#define DKV_COMMAND_ACL_ACL_USER_H

#include "command/acl/acl.h"

/* Commands are told by command_entry's id; the last bit stands for commands that are to come. */
#define ACL_COMMANDS_MAX   1024
#define ACL_FUTURE_COMMAND (ACL_COMMANDS_MAX - 1)
#define ACL_HASH_SIZE      64 /* a SHA-256 in hexadecimal digits */

enum acl_permission { ACL_READ = 1 << 0, ACL_WRITE = 1 << 1, ACL_READ_WRITE = ACL_READ | ACL_WRITE };

struct acl_pattern {
    struct buffer text;
    struct glob *glob;    /* the text, read */
    unsigned permissions; /* of a key pattern */
};

struct acl_patterns {
    bool all;
    size_t count;
    struct acl_pattern *items;
};

/* "+select|0": a command that is permitted with this first argument only. */
struct acl_first_arg {
    unsigned command;
    struct buffer text;
};

/* "+get", "-@read", "+select|0". */
struct acl_rule {
    char sign;
    struct buffer name; /* in small letters */
};

struct acl_selector {
    bool all_commands;
    uint64_t commands[ACL_COMMANDS_MAX / 64];
    size_t first_arg_count;
    struct acl_first_arg *first_args;
    size_t rule_count;
    struct acl_rule *rules; /* of commands, as they were given, without what a later one made void */
    struct acl_patterns keys;
    struct acl_patterns channels;
};

struct acl_user {
    struct buffer name;
    bool on;
    bool nopass;
    bool skips_sanitizing;
    bool unrestricted; /* one of its selectors permits everything */
    size_t password_count;
    char (*passwords)[ACL_HASH_SIZE];
    size_t selector_count; /* 1 or more: the first is the user's own */
    struct acl_selector *selectors;
};

struct acl_user *acl_user_new(struct slice name, bool all_channels);
struct acl_user *acl_user_copy(const struct acl_user *user);
void acl_user_free(struct acl_user *user);
/* Everything is permitted, without a password. */
void acl_user_open(struct acl_user *user);

/* acl_rules.c */
/* Applies one rule. NULL, or what is wrong with it. */
const char *acl_user_apply(struct acl_user *user, struct slice rule, const struct acl *acl);
void acl_selector_init(struct acl_selector *selector, bool all_channels);
void acl_selector_free(struct acl_selector *selector);
void acl_hash_password(struct slice password, char hash[ACL_HASH_SIZE]);

/* acl_describe.c */
/* As they are shown: the rules of a selector's commands; of its keys ("~a %R~b"); of its channels. */
void acl_describe_commands(struct buffer *out, const struct acl_selector *selector);
void acl_describe_keys(struct buffer *out, const struct acl_selector *selector);
void acl_describe_channels(struct buffer *out, const struct acl_selector *selector);

/* acl.c */
const struct command_table *acl_commands(const struct acl *acl);
bool acl_channels_by_default(const struct acl *acl);
const struct acl_hooks *acl_hooks(const struct acl *acl);
struct world *acl_world(const struct acl *acl);
struct acl_log *acl_log(const struct acl *acl);

/* acl_log.c */
struct acl_log *acl_log_new(void);
void acl_log_free(struct acl_log *log);
void acl_log_limit(struct acl_log *log, size_t max);

#endif
