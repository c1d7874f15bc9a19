/* What may happen next. */
#ifndef DKV_SIM_RUN_H
#define DKV_SIM_RUN_H

enum action {
    ACTION_SEND,    /* a client sends */
    ACTION_RUN,     /* clients that had to wait are looked at again */
    ACTION_READ,    /* clients read their replies */
    ACTION_WORK,    /* a step of the commit thread */
    ACTION_TICK,    /* the engine's own work */
    ACTION_CHILD,   /* some calls of the rewrite's child, or its end */
    ACTION_TIME,    /* time passes */
    ACTION_CLOCK,   /* the wall clock jumps */
    ACTION_POLICY,  /* CONFIG SET appendfsync */
    ACTION_LIMITS,  /* CONFIG SET of segment size, unsynced bytes, history, triggers */
    ACTION_REWRITE, /* BGREWRITEAOF */
    ACTION_DISK,    /* the disk begins to fail or to fill up, or is well again */
    ACTION_PROBE,   /* a crash that is only tried */
    ACTION_CRASH,   /* a crash, or a clean end, and a new life */
    ACTION_CLIENT,  /* a client goes and another comes */
    ACTION_SETTLE,  /* everything comes to rest: nothing may be stuck */
    ACTION_COUNT
};

#endif
