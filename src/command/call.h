/* What a command function is given.
 *
 * A function checks its arguments (args.h), looks keys up (lookup.h), replies (resp/reply.h), changes the
 * store, and for every change says two things (effect.h): which key changed (call_changed) and which command
 * repeats the change (effect_*). It does no I/O and asks no clock. A function that replies an error has
 * changed nothing. */
#ifndef DKV_COMMAND_CALL_H
#define DKV_COMMAND_CALL_H

#include "command/origin.h"
#include "command/world.h"
#include "resp/reply.h"

struct call {
    struct world *world;
    struct session *session;
    const struct origin *origin;
    struct database *db;
    int argc;
    const struct slice *argv;
    struct slice raw;                 /* size 0: not known in canonical form */
    const struct request_blob *blobs; /* the arguments that came as blobs: call_blob */
    int blob_count;
    uint64_t key_hash; /* of the first key, when the command has one */
    struct reply *reply;
    struct command_entry *command;
    enum resume_reason resumed; /* whether it has waited, and why it goes on (block.h) */
    lsn_t wait_lsn;             /* the reply is not sent before this is acknowledged; grows */
    /* Arguments that hold secrets, a bit each; the last bit for all from there on. */
    uint64_t redacted;
};

/* Argument index, and for the last bit's sake all far behind it, is a secret: MONITOR and SLOWLOG do not show
 * it. */
static inline void call_redact(struct call *call, int index)
{
    call->redacted |= UINT64_C(1) << (index < 63 ? index : 63);
}

/* An argument as others may see it. */
static inline struct slice call_shown(const struct call *call, int index)
{
    bool secret = call->redacted >> (index < 63 ? index : 63) & 1;
    return secret ? SLICE_LITERAL("(redacted)") : call->argv[index];
}

/* The blob that an argument was received into, NULL when there is none. It lives as long as the call; whoever
 * keeps it takes a reference. */
static inline struct blob *call_blob(const struct call *call, int index)
{
    return call->blob_count == 0 ? NULL : request_blob_find(call->blobs, call->blob_count, index);
}

#endif
