/* The live page: one document, put together at start from what is in page/, and the policy that goes with it.
 */
#ifndef DKV_HTTP_PAGE_H
#define DKV_HTTP_PAGE_H

#include "base/bytes.h"

struct page {
    struct buffer document; /* HTML */
    /* Content-Security-Policy's value: nothing but the page's own style and script, told by their digests,
     * and requests to where it came from. A browser that obeys it runs no script and loads nothing that
     * somebody might smuggle in with a key or a value. NUL-terminated. */
    char policy[512];
};

void page_make(struct page *page);
void page_free(struct page *page);

#endif
