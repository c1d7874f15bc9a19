/* The command families of this floor: each is a table that ends its file. */
#ifndef DKV_COMMAND_FAMILIES_H
#define DKV_COMMAND_FAMILIES_H

#include "command/command.h"

extern const struct command string_commands[];
extern const size_t string_command_count;
extern const struct command bitmap_commands[];
extern const size_t bitmap_command_count;
extern const struct command bitfield_commands[];
extern const size_t bitfield_command_count;
extern const struct command hyperloglog_commands[];
extern const size_t hyperloglog_command_count;
extern const struct command dump_commands[];
extern const size_t dump_command_count;
extern const struct command sort_commands[];
extern const size_t sort_command_count;
extern const struct command lolwut_commands[];
extern const size_t lolwut_command_count;
extern const struct command keys_commands[];
extern const size_t keys_command_count;
extern const struct command expire_commands[];
extern const size_t expire_command_count;
extern const struct command object_commands[];
extern const size_t object_command_count;
extern const struct command introspect_commands[];
extern const size_t introspect_command_count;
extern const struct command transaction_commands[];
extern const size_t transaction_command_count;
extern const struct command connection_commands[];
extern const size_t connection_command_count;
extern const struct command pubsub_commands[];
extern const size_t pubsub_command_count;
extern const struct command monitor_commands[];
extern const size_t monitor_command_count;
extern const struct command slowlog_commands[];
extern const size_t slowlog_command_count;
extern const struct command latency_commands[];
extern const size_t latency_command_count;
extern const struct command acl_family[];
extern const size_t acl_family_count;

#endif
