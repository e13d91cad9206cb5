#include "messages.h"

#include <stdio.h>
#include <stdlib.h>

void fail(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(2);
}

struct messages read_messages(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (!file)
        fail("can't open the requests");
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), count = 0;
    rewind(file);
    uint8_t *bytes = malloc(size + 5);
    if (!bytes || fread(bytes, 1, size, file) != size)
        fail("can't read the requests");
    fclose(file);
    size_t *at = malloc((size / 5 + 2) * sizeof *at);
    for (size_t here = 0; here + 5 <= size; count++) {
        at[count] = here;
        here += 5 + ((size_t)bytes[here + 1] << 24 | bytes[here + 2] << 16 | bytes[here + 3] << 8 | bytes[here + 4]);
        at[count + 1] = here;
    }
    if (count == 0 || at[count] != size)
        fail("the requests are not whole gRPC messages");
    return (struct messages){bytes, at, count};
}
