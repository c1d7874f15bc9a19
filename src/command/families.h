/* The commands of this floor: each is a table that ends its file. */
#ifndef DKV_COMMAND_FAMILIES_H
#define DKV_COMMAND_FAMILIES_H

#include "command/command.h"

extern const struct command transaction_commands[];
extern const size_t transaction_command_count;
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
