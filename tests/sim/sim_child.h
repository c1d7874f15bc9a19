/* The child of a rewrite. Its work runs at the moment of the fork, on memory as it is then, but against a
 * recorder: its disk calls are kept with their data and done one by one later, between those of the parent.
 * So the child sees the state at the fork, and the disk sees the two side by side. */
#ifndef DKV_SIM_CHILD_H
#define DKV_SIM_CHILD_H

#include "engine/engine.h"
#include "sim_disk.h"

struct sim_child_call;
struct sim_child_file;

struct sim_child {
    struct sim_disk *disk;
    struct rewrite_progress progress;
    unsigned fork_fails; /* chance in 65536ths */
    bool running;
    bool ok; /* once it has ended */
    bool work_ok;
    struct sim_child_call *calls;
    size_t call_count;
    size_t next_call;
    struct sim_child_file **files; /* as the child numbers them */
    size_t file_count;
};

struct engine_host sim_child_host(struct sim_child *child);
/* Does some of its calls. The last one ends it, and so does one that fails. */
void sim_child_run(struct sim_child *child, int calls);
/* Ends it at once, without success: a signal, or the end of the process. */
void sim_child_kill(struct sim_child *child);
void sim_child_free(struct sim_child *child);

/* The recorder: what the disk passes on while the child's work runs. */
int sim_child_open(struct sim_child *child, const char *name, enum disk_open_mode mode,
                   struct disk_file **file);
int sim_child_rename(struct sim_child *child, const char *from, const char *to);
int sim_child_unlink(struct sim_child *child, const char *name);
int sim_child_sync_folder(struct sim_child *child);

#endif
