/* Where requests end, however what a client sends is cut; the table of requests and what is right for each is
 * tests/process/test_http_requests.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/framing.h"

#define FIRST  "GET /kv/a HTTP/1.1\r\nHost: a\r\n\r\n"
#define PUT    "PUT /kv/a HTTP/1.1\r\nHost: a\r\n"
#define CHUNKS PUT "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *before; /* what passes */
    const char *after;  /* and what does not */
    unsigned status;
} cases[] = {
    {FIRST FIRST, "", 0},
    {FIRST, "GET /\n", 400},
    {FIRST "\r\n" FIRST, "\r\n\r\n" FIRST, 400},
    {PUT "Content-Length: 10\r\n\r\n0123456789" FIRST, PUT "Content-Length: 10 \r\n\r\n", 400},
    {PUT "Content-Length: 0\r\n\r\n" FIRST, PUT "Content-Length: 18446744073709551616\r\n\r\n", 413},
    {CHUNKS "a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n" FIRST, CHUNKS "2\r\nhi0\r\n\r\n", 400},
    {CHUNKS "2;a=\"b\"\r\nhi\r\n000\r\nX: y\r\n\r\n" FIRST, CHUNKS "fffffffffffffffff\r\n", 413},
    {FIRST, "DELETE / HTTP/2.0\r\n\r\n", 505},
    {CHUNKS "0\r\n\r\n", PUT "Transfer-Encoding: chunked \r\n\r\n", 400},
    {FIRST, PUT "Host: a\r\n\r\n", 400},
    {FIRST, PUT "X: a\r\n b\r\n\r\n", 400},
    {FIRST, "PUT / HTTP/1.1\r\n\r\n", 400},
    {"PUT / HTTP/1.0\r\n\r\n", PUT "Expect: x\r\n\r\n", 417},
    {FIRST, "TRACE http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400},
};

/* Feeds pieces as they are cut, as wire.c does: what did not pass is not fed again. Returns how much passed.
 */
static size_t feed(struct framing *framing, const char *data, size_t size, const size_t *cuts,
                   size_t cut_count)
{
    size_t passed = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= cut_count && framing->refusal == NULL; i++) {
        size_t end = i < cut_count ? cuts[i] : size;
        passed += framing_feed(framing, data + begin, end - begin);
        begin = end;
    }
    return passed;
}

/* What passed, beyond what is right, is a part of the refused request: libmicrohttpd runs none before its
 * end. */
static void check(size_t index, const size_t *cuts, size_t cut_count)
{
    char *data = malloc(strlen(cases[index].before) + strlen(cases[index].after) + 1);
    size_t right = strlen(cases[index].before);
    strcpy(data, cases[index].before);
    strcat(data, cases[index].after);
    struct framing framing = {0};
    size_t passed = feed(&framing, data, strlen(data), cuts, cut_count);
    assert_int_equal(framing.refusal ? framing.refusal->status : 0, cases[index].status);
    assert_true(passed >= right && passed <= strlen(data));
    if (cases[index].status != 0)
        assert_true(passed == right || passed < strlen(data));
    if (cut_count == 0)
        assert_int_equal(passed, right);
    free(data);
}

/* The same is refused, and what stands before it passes, wherever it is cut. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        size_t size = strlen(cases[index].before) + strlen(cases[index].after);
        size_t all[1000];
        check(index, NULL, 0);
        for (size_t cut = 0; cut < size; cut++) {
            check(index, &cut, 1);
            for (size_t second = cut; second < size; second += 3)
                check(index, (size_t[]){cut, second}, 2);
            all[cut] = cut;
        }
        check(index, all, size);
    }
}

/* No byte at any place of a right request makes two requests of it, or one that ends elsewhere, unseen: it is
 * refused, or the whole of it passes and ends where it did. A control character is refused as soon as it is
 * there: others see the end of a line or of a text in it. */
static void test_every_byte(void **state)
{
    (void)state;
    static const char right[] = FIRST;
    for (size_t at = 0; at < sizeof(right) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char data[sizeof(right)];
            memcpy(data, right, sizeof(right));
            data[at] = (char)byte;
            struct framing framing = {0};
            /* A CR may begin the end of a line; what follows it decides. */
            size_t seen = byte == '\r' && at + 2 < sizeof(right) ? at + 2 : at + 1;
            framing_feed(&framing, data, seen);
            bool is_control = (byte < 32 && byte != '\t') || byte == 127;
            if (is_control && data[at] != right[at])
                assert_non_null(framing.refusal);
            framing_feed(&framing, data + seen, sizeof(right) - 1 - seen);
            if (framing.refusal == NULL) {
                struct framing again = framing;
                assert_int_equal(framing_feed(&again, "GET /\n", 6), 0);
            }
        }
    }
}

/* The largest head passes, and one byte more does not. */
static void test_limits(void **state)
{
    (void)state;
    static char target[TARGET_MAX + 100] = "GET /";
    memset(target + 5, 'a', sizeof(target) - 5);
    for (size_t more = 0; more < 2; more++) {
        struct framing framing = {0};
        size_t size = strlen("GET ") + TARGET_MAX + more;
        framing_feed(&framing, target, size);
        assert_int_equal(framing.refusal ? framing.refusal->status : 0, more ? 414 : 0);
    }
    struct framing framing = {0};
    framing_feed(&framing, PUT, strlen(PUT));
    while (framing.refusal == NULL)
        framing_feed(&framing, "X: a\r\n", 6);
    assert_int_equal(framing.refusal->status, 431);
    framing = (struct framing){0};
    framing_feed(&framing, CHUNKS "1;", strlen(CHUNKS "1;"));
    size_t size = 0;
    for (; framing.refusal == NULL; size++)
        framing_feed(&framing, "a", 1);
    assert_int_equal(framing.refusal->status, 400);
    assert_true(size > 1000 && size < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
