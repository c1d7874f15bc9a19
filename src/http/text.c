#include "http/text.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '%') {
            buffer_append_char(out, text.data[i]);
            continue;
        }
        int high = text.size - i > 2 ? hex_digit(text.data[i + 1]) : -1;
        int low = text.size - i > 2 ? hex_digit(text.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        buffer_append_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}
