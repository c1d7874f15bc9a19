#include "tools/outlet.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE 65536

void outlet_open(struct outlet *outlet, FILE *to, bool in_use)
{
    struct stat status;
    int fd = fileno(to);
    *outlet = (struct outlet){.to = to, .file = to};
    if (!in_use || (fd >= 0 && isatty(fd)))
        return;
    if (fd >= 0 && fflush(to) == 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        outlet->is_regular = true;
        outlet->begin = fcntl(fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
        return;
    }
    FILE *temporary = tmpfile();
    if (temporary)
        outlet->file = temporary;
}

bool outlet_take_back(struct outlet *outlet)
{
    if (outlet->is_regular)
        return fflush(outlet->to) == 0 && ftruncate(fileno(outlet->to), outlet->begin) == 0 &&
               fseeko(outlet->to, outlet->begin, SEEK_SET) == 0;
    if (outlet->file == outlet->to)
        return false;
    return fflush(outlet->file) == 0 && ftruncate(fileno(outlet->file), 0) == 0 &&
           fseeko(outlet->file, 0, SEEK_SET) == 0;
}

bool outlet_close(struct outlet *outlet)
{
    char piece[COPY_SIZE];
    size_t got;
    if (outlet->file == outlet->to)
        return !ferror(outlet->to);
    bool ok = !ferror(outlet->file) && fflush(outlet->file) == 0;
    rewind(outlet->file);
    while (!ferror(outlet->to) && (got = fread(piece, 1, sizeof(piece), outlet->file)) > 0)
        fwrite(piece, 1, got, outlet->to);
    ok = ok && !ferror(outlet->file) && !ferror(outlet->to);
    fclose(outlet->file);
    outlet->file = outlet->to;
    return ok;
}
