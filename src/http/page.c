#include "http/page.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/diag.h"

/* The bytes of a file of the source tree, as they were when this was compiled. */
#define EMBED(name, file)                                                                  \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"src/http/page/" file "\"\n" #name \
            "_end:\n.popsection\n");                                                       \
    extern const char name[] __attribute__((visibility("hidden")));                        \
    extern const char name##_end[] __attribute__((visibility("hidden")))
#define EMBEDDED(name) slice_make(name, (size_t)(name##_end - (name)))

EMBED(page_frame, "index.html");
EMBED(page_style, "style.css");
EMBED(page_format_script, "format.js");
EMBED(page_charts_script, "charts.js");
EMBED(page_samples_script, "samples.js");
EMBED(page_keys_script, "keys.js");
EMBED(page_main_script, "main.js");

/* Base64 of SHA-256, as a policy names a script. */
#define DIGEST_TEXT_MAX 48

static void digest_write(struct slice text, char out[DIGEST_TEXT_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;
    int ok = EVP_Digest(text.data, text.size, digest, &size, EVP_sha256(), NULL);
    ASSERT(ok == 1);
    EVP_EncodeBlock((unsigned char *)out, digest, (int)size);
}

/* Appends what comes before mark in *rest, and drops that and the mark from it. */
static void take_until(struct buffer *out, struct slice *rest, const char *mark)
{
    const char *found = memmem(rest->data, rest->size, mark, strlen(mark));
    ASSERT(found);
    size_t before = (size_t)(found - rest->data);
    buffer_append(out, rest->data, before);
    *rest = slice_make(found + strlen(mark), rest->size - before - strlen(mark));
}

void page_make(struct page *page)
{
    const struct slice scripts[] = {EMBEDDED(page_format_script), EMBEDDED(page_charts_script),
                                    EMBEDDED(page_samples_script), EMBEDDED(page_keys_script),
                                    EMBEDDED(page_main_script)};
    struct slice style = EMBEDDED(page_style);
    struct slice rest = EMBEDDED(page_frame);
    struct buffer script = {0};
    char style_digest[DIGEST_TEXT_MAX];
    char script_digest[DIGEST_TEXT_MAX];
    /* A scope of their own, the same for all of them. */
    buffer_append_text(&script, "\"use strict\";\n{\n");
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        buffer_append_slice(&script, scripts[i]);
    buffer_append_text(&script, "}\n");
    *page = (struct page){0};
    take_until(&page->document, &rest, "/* style */");
    buffer_append_slice(&page->document, style);
    take_until(&page->document, &rest, "/* script */");
    buffer_append_slice(&page->document, buffer_slice(&script));
    buffer_append_slice(&page->document, rest);
    digest_write(style, style_digest);
    digest_write(buffer_slice(&script), script_digest);
    buffer_free(&script);
    int size = snprintf(page->policy, sizeof(page->policy),
                        "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
                        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
                        script_digest, style_digest);
    ASSERT(size > 0 && (size_t)size < sizeof(page->policy));
}

void page_free(struct page *page)
{
    buffer_free(&page->document);
}
