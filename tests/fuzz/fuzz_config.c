/* Fuzzes the configuration reader: whatever the text, reading ends with values in force or with one error of
 * one line; and what was accepted, written out as CONFIG GET shows it, reads back as the same. Build and run:
 *
 *     make fuzz-build BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link
 *     build/fuzz/tests/fuzz/fuzz_config -max_total_time=30 -dict=tests/fuzz/config.dict
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "server/config.h"

#define VALUES_EVERY 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* CONFIG SET takes what CONFIG GET shows, and then nothing is different. */
static void check_value(struct config *config, size_t index)
{
    struct slice name = slice_of(config_name(index, NULL));
    struct buffer before = {0};
    buffer_append_slice(&before, config_get_bytes(config, name));
    struct slice pair[] = {name, buffer_slice(&before)};
    struct config_error error;
    if (config_set(config, false, 1, pair, &error))
        ASSERT(slice_equal(config_get_bytes(config, name), buffer_slice(&before)));
    else
        ASSERT(strstr(error.text, "can't set immutable config") != NULL);
    buffer_free(&before);
}

/* What other files hold is no part of the input. */
static bool includes(struct slice text)
{
    for (size_t i = 0; i + 7 <= text.size; i++)
        if (slice_is(slice_make(text.data + i, 7), "include"))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (includes(slice_make(data, size)) || size > 20000)
        return -1;
    struct config *config = config_new();
    struct config_error error;
    if (!config_read_text(config, "fuzz", slice_make(data, size), &error)) {
        ASSERT(strncmp(error.text, "fuzz:", 5) == 0);
        ASSERT(strchr(error.text, '\n') == NULL);
    }
    ASSERT(config_read_text(config, "last", SLICE_LITERAL("enable-protected-configs yes\n"), &error));
    /* Some of the directives: all of them would take longer than everything else. */
    for (size_t i = size % VALUES_EVERY; i < config_count(); i += VALUES_EVERY)
        check_value(config, i);
    config_free(config);
    return 0;
}
