/* Fuzzes the reader of MANIFEST.
 *
 *   clang -g -O1 -std=gnu17 -D_GNU_SOURCE -DDKV_SYSTEM_MALLOC -Isrc -fsanitize=fuzzer,address,undefined \
 *         tests/fuzz/fuzz_manifest.c src/journal/{manifest,failure}.c src/base/{bytes,diag,memory,number}.c \
 *         -lm -o build/fuzz_manifest && build/fuzz_manifest -max_total_time=30 \
 *             -dict=tests/fuzz/manifest.dict
 *
 * The input is parsed as it is, and once more with a right title and checksum around it, so that the fuzzer
 * gets behind them. What is taken for a manifest must be exactly the text that the same manifest is formatted
 * to: there are no two ways to write one. */
#include "base/diag.h"
#include "base/hash.h"
#include "journal/manifest.h"

static void parse(struct slice text)
{
    struct manifest manifest;
    struct journal_error error = {""};
    struct buffer again = {0};
    if (manifest_parse(&manifest, text, &error)) {
        manifest_format(&manifest, &again);
        ASSERT(slice_equal(text, buffer_slice(&again)));
        ASSERT(manifest_find_segment(&manifest, manifest_base_in_use(&manifest)->lsn) <
               manifest.segment_count);
        manifest_drop_history(&manifest, manifest.base_count - 1);
        ASSERT(manifest.segment_count > 0);
    } else {
        ASSERT(strstr(error.text, "MANIFEST is damaged, line "));
    }
    manifest_free(&manifest);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer text = {0};
    parse(slice_make(data, size));
    buffer_append_text(&text, "dkv manifest 1\nstream 00112233445566778899aabbccddeeff\n");
    buffer_append(&text, data, size);
    uint64_t checksum = hash_bytes(text.data, text.size, 0);
    buffer_append_format(&text, "checksum %016llx\n", (unsigned long long)checksum);
    parse(buffer_slice(&text));
    buffer_free(&text);
    return 0;
}
