/* The CRC of DUMP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc64.h"

/* The published check value of this CRC. */
static void check_value(void **state)
{
    (void)state;
    assert_int_equal(crc64(0, "123456789", 9), UINT64_C(0xe9c6d914c4b8d9ca));
    assert_int_equal(crc64(0, "", 0), 0);
}

/* Eight bytes at a time or one: the same, however the bytes are cut. */
static void any_cut(void **state)
{
    (void)state;
    unsigned char data[200];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 37 + i / 7);
    uint64_t whole = 0;
    for (size_t i = 0; i < sizeof(data); i++)
        whole = crc64(whole, data + i, 1);
    for (size_t cut = 0; cut <= sizeof(data); cut++)
        assert_int_equal(crc64(crc64(0, data, cut), data + cut, sizeof(data) - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_value), cmocka_unit_test(any_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
