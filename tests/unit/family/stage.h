/* A conversation of several sessions in one world: who says what, and what each of them hears of it. */
#ifndef DKV_TESTS_STAGE_H
#define DKV_TESTS_STAGE_H

#include "command/block.h"
#include "command/message/tracking.h"
#include "command/world.h"
#include "dialog.h"

#define ACTORS 4

struct actor {
    struct session *session;
    struct output output;
    struct buffer heard; /* NUL-terminated once collected */
};

struct stage {
    struct dialog dialog; /* for its world and clock; its session is silent */
    struct actor actors[ACTORS];
};

/* "<actor> <command>", and what each actor hears, NULL: nothing. Lines for the stage itself: "<actor> @2" and
 * "<actor> @3" change its protocol, "<actor> @gone" ends its session and begins another, "@+<ms>" lets time
 * pass, "@round" ends the round of the loop. */
struct scene {
    const char *line;
    const char *heard[ACTORS];
};

static inline void stage_enter(struct stage *stage, int i)
{
    struct actor *actor = &stage->actors[i];
    actor->session = session_new(stage->dialog.world, &actor->output, NULL);
}

static inline void stage_leave(struct stage *stage, int i)
{
    struct actor *actor = &stage->actors[i];
    session_free(actor->session);
    output_free(&actor->output);
    buffer_free(&actor->heard);
}

static inline void stage_begin(struct stage *stage)
{
    memset(stage, 0, sizeof(*stage));
    dialog_begin(&stage->dialog);
    for (int i = 0; i < ACTORS; i++)
        stage_enter(stage, i);
}

static inline void stage_end(struct stage *stage)
{
    for (int i = 0; i < ACTORS; i++)
        stage_leave(stage, i);
    dialog_end(&stage->dialog);
}

/* What the actor has heard since it was asked last. */
static inline const char *stage_heard(struct stage *stage, int i)
{
    struct actor *actor = &stage->actors[i];
    struct iovec vectors[16];
    buffer_clear(&actor->heard);
    while (output_pending(&actor->output) > 0) {
        int count = output_vectors(&actor->output, UINT64_MAX, vectors, 16);
        uint64_t size = 0;
        for (int v = 0; v < count; v++) {
            buffer_append(&actor->heard, vectors[v].iov_base, vectors[v].iov_len);
            size += vectors[v].iov_len;
        }
        output_sent(&actor->output, size);
    }
    buffer_append_char(&actor->heard, '\0');
    return actor->heard.data;
}

static inline void stage_say(struct stage *stage, int i, const char *line)
{
    struct buffer *words;
    struct world *world = stage->dialog.world;
    int argc = words_split(slice_of(line), &words);
    assert_true(argc > 0);
    struct slice argv[64];
    for (int w = 0; w < argc; w++)
        argv[w] = buffer_slice(&words[w]);
    const struct request request = {.argc = argc, .argv = argv};
    const struct request *requests[] = {&request};
    struct prepared prepared;
    world_refresh_time(world);
    dispatch_prepare(world, stage->actors[i].session, requests, &prepared, 1);
    dispatch(world, stage->actors[i].session, &request, &prepared);
    words_free(words, argc);
}

static inline void stage_line(struct stage *stage, const char *line)
{
    if (strcmp(line, "@round") == 0) {
        world_refresh_time(stage->dialog.world);
        block_round(stage->dialog.world);
        tracking_broadcast(stage->dialog.world);
        return;
    }
    if (line[0] == '@') {
        stage->dialog.now_ms += atoll(line + 2);
        return;
    }
    int i = line[0] - '0';
    if (strcmp(line + 2, "@gone") == 0) {
        stage_leave(stage, i);
        stage->actors[i] = (struct actor){0};
        stage_enter(stage, i);
    } else if (line[2] == '@') {
        stage->actors[i].session->protocol = line[3] - '0';
    } else {
        stage_say(stage, i, line + 2);
    }
}

static inline void stage_play_on(struct stage *stage, const struct scene *scenes, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        stage_line(stage, scenes[s].line);
        for (int i = 0; i < ACTORS; i++) {
            const char *heard = stage_heard(stage, i);
            const char *expected = scenes[s].heard[i] ? scenes[s].heard[i] : "";
            if (strcmp(heard, expected) != 0)
                fail_msg("%s\n  %d should hear: %s\n  but hears:     %s", scenes[s].line, i, expected, heard);
        }
    }
}

static inline void stage_play(const struct scene *scenes, size_t count)
{
    struct stage stage;
    stage_begin(&stage);
    stage_play_on(&stage, scenes, count);
    stage_end(&stage);
}

#define STAGE(scenes) stage_play(scenes, sizeof(scenes) / sizeof((scenes)[0]))

#endif
