/* The live page as it is put together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/page.h"

static size_t occurrences(const struct buffer *document, const char *text)
{
    const char *at = document->data;
    const char *end = document->data + document->size;
    size_t count = 0;
    while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
        count++;
        at += strlen(text);
    }
    return count;
}

/* Shows that the document is whole: one style and one script in the places meant for them, neither of which
 * ends early; and that the policy lets the two run, by digests of the right length, and nothing else. */
static void test_document(void **state)
{
    struct page page;
    (void)state;
    page_make(&page);
    assert_memory_equal(page.document.data, "<!DOCTYPE html>", 15);
    assert_memory_equal(page.document.data + page.document.size - 8, "</html>\n", 8);
    assert_int_equal(occurrences(&page.document, "<style>\n:root"), 1);
    assert_int_equal(occurrences(&page.document, "<script>\"use strict\";\n{\n"), 1);
    assert_int_equal(occurrences(&page.document, "begin();\n}\n</script>"), 1);
    assert_int_equal(occurrences(&page.document, "</script"), 1);
    assert_int_equal(occurrences(&page.document, "</style"), 1);
    const char *script = strstr(page.policy, "script-src 'sha256-");
    assert_non_null(script);
    assert_int_equal(strcspn(script + 19, "'"), 44);
    assert_null(strstr(page.policy, "unsafe"));
    assert_null(strchr(page.policy, '*'));
    page_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
