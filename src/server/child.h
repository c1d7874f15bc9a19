/* The forked child of a rewrite, as the engine wants it from its host. */
#ifndef DKV_SERVER_CHILD_H
#define DKV_SERVER_CHILD_H

#include "engine/engine.h"

struct child;

/* disk: the data folder's. A child holds its lock, too. */
struct child *child_new(struct disk *disk);
/* For the next child. */
void child_set_disk(struct child *child, struct disk *disk);
/* A running child is killed. */
void child_free(struct child *child);
/* What the engine is given; valid as long as child. */
struct engine_host child_host(struct child *child);
/* 0 when none runs. */
pid_t child_pid(const struct child *child);

#endif
