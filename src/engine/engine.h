/* Store, journal and commands as one thing you can embed: execute, tick, recover, close. No sockets, no process
 * management but what engine_host offers, so that the simulator drives exactly this. */
#ifndef DKV_ENGINE_ENGINE_H
#define DKV_ENGINE_ENGINE_H

#include "command/dispatch.h"

struct engine;

/* What the process around the engine lends it. */
struct engine_host {
    void *context;
    /* Runs work(argument, progress) in a forked child, which sees memory as it is now, and exits 0 if that returned 0.
     * progress is memory shared with the parent. Returns false, with errno, when there is no child. */
    bool (*start_child)(void *context, int (*work)(void *argument, struct rewrite_progress *progress), void *argument);
    /* Whether the child still runs; when not, *ok tells whether it succeeded. */
    bool (*child_running)(void *context, bool *ok);
    /* Reads the child's progress. */
    const struct rewrite_progress *(*child_progress)(void *context);
    /* Kills the child and waits for its end. */
    void (*kill_child)(void *context);
};

#endif
