/* Takes the place of getrandom in the process that is counted, so that hash maps have the same seeds in every run. */

#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
    (void)flags;
    memset(buffer, 0x5a, length);
    return (ssize_t)length;
}
