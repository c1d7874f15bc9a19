/* A conversation with a world without journal or sockets: command lines in, reply bytes out. */
#ifndef DKV_TESTS_DIALOG_H
#define DKV_TESTS_DIALOG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "command/dispatch.h"
#include "command/world.h"
#include "family/families.h"
#include "store/value_hash.h"

/* 2020-09-13 12:26:40 UTC: where a dialog's clock begins. It stands still unless told. */
#define DIALOG_BEGIN_MS INT64_C(1600000000000)

struct dialog {
    struct clock clock; /* first, so that the clock's functions find the dialog */
    int64_t now_ms;
    struct world *world;
    struct session *session;
    struct output output;
    struct buffer reply; /* to what was said last; NUL-terminated */
};

/* What is said, and what has to be answered. Three lines are for the dialog itself and have no answer: "@2"
 * and "@3" change the protocol, "@+<ms>" lets time pass. */
struct turn {
    const char *line;
    const char *reply;
};

static inline int64_t dialog_now_us(struct clock *clock)
{
    return ((struct dialog *)clock)->now_ms * 1000;
}

static inline void dialog_begin(struct dialog *dialog)
{
    *dialog = (struct dialog){.clock = {dialog_now_us, dialog_now_us}, .now_ms = DIALOG_BEGIN_MS};
    const struct world_options options = {
        .clock = &dialog->clock,
        .databases = 16,
        .random_seed = 1,
        .settings = {.bulk_max = 512 << 20,
                     .query_max = 1 << 30,
                     .hll_sparse_max = 3000,
                     .hash_entries_max = HASH_ENTRIES_MAX_DEFAULT,
                     .hash_value_max = HASH_VALUE_MAX_DEFAULT},
    };
    dialog->world = world_new(&options);
    family_add_all(dialog->world->commands);
    dialog->session = session_new(dialog->world, &dialog->output, NULL);
}

static inline void dialog_end(struct dialog *dialog)
{
    session_free(dialog->session);
    world_free(dialog->world);
    output_free(&dialog->output);
    buffer_free(&dialog->reply);
}

/* Moves what is queued to dialog->reply. */
static inline void dialog_collect(struct dialog *dialog)
{
    struct iovec vectors[16];
    buffer_clear(&dialog->reply);
    while (output_pending(&dialog->output) > 0) {
        int count = output_vectors(&dialog->output, UINT64_MAX, vectors, 16);
        uint64_t size = 0;
        for (int i = 0; i < count; i++) {
            buffer_append(&dialog->reply, vectors[i].iov_base, vectors[i].iov_len);
            size += vectors[i].iov_len;
        }
        output_sent(&dialog->output, size);
    }
    buffer_append_char(&dialog->reply, '\0');
}

/* Runs one command and returns its reply, valid until the next. */
static inline const char *dialog_run(struct dialog *dialog, int argc, const struct slice *argv)
{
    const struct request request = {.argc = argc, .argv = argv};
    const struct request *requests[] = {&request};
    struct prepared prepared;
    world_refresh_time(dialog->world);
    dispatch_prepare(dialog->world, dialog->session, requests, &prepared, 1);
    enum dispatch_result result = dispatch(dialog->world, dialog->session, &request, &prepared);
    assert_int_equal(result, DISPATCH_DONE);
    dialog_collect(dialog);
    return dialog->reply.data;
}

/* Runs a command of the stream in a session whose origin that is. NULL, or what is wrong with it. */
static inline const char *dialog_replay(struct world *world, struct session *session,
                                        const struct request *request)
{
    struct prepared prepared;
    struct buffer error = {0};
    struct reply reply = {.output = session->output, .protocol = 2};
    dispatch_prepare(world, session, &request, &prepared, 1);
    if (!dispatch_check(world, session, prepared.entry, request->argc, request->argv, &error)) {
        buffer_free(&error);
        return "it is not right";
    }
    struct call call = {.argc = request->argc,
                        .argv = request->argv,
                        .raw = request->raw,
                        .key_hash = prepared.key_hash,
                        .reply = &reply,
                        .command = prepared.entry};
    const char *wrong = dispatch_run(world, session, &call);
    return wrong || reply.errors == 0 ? wrong : "it replied an error";
}

static inline const char *dialog_say(struct dialog *dialog, const char *line)
{
    struct buffer *words;
    int argc = words_split(slice_of(line), &words);
    assert_true(argc > 0);
    struct slice *argv = mem_alloc((size_t)argc * sizeof(*argv));
    for (int i = 0; i < argc; i++)
        argv[i] = buffer_slice(&words[i]);
    const char *reply = dialog_run(dialog, argc, argv);
    mem_free(argv);
    words_free(words, argc);
    return reply;
}

static inline void dialog_turn(struct dialog *dialog, const struct turn *turn)
{
    if (turn->line[0] == '@' && turn->line[1] == '+') {
        dialog->now_ms += atoll(turn->line + 2);
        return;
    }
    if (turn->line[0] == '@') {
        dialog->session->protocol = turn->line[1] - '0';
        return;
    }
    const char *reply = dialog_say(dialog, turn->line);
    if (strcmp(reply, turn->reply) != 0)
        fail_msg("%s\n  expected: %s\n  replied:  %s", turn->line, turn->reply, reply);
}

/* A whole conversation, from an empty store. */
static inline void dialog_play(const struct turn *turns, size_t count)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < count; i++)
        dialog_turn(&dialog, &turns[i]);
    dialog_end(&dialog);
}

#define PLAY(turns) dialog_play(turns, sizeof(turns) / sizeof((turns)[0]))

#endif
