/* Preloaded into a daemon: its time of day is the system's and as many seconds as the file $FAKE_CLOCK says. The
 * monotonic clock is the system's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    char text[32] = "";
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("FAKE_CLOCK");
    if (result == 0 && clock == CLOCK_REALTIME && path != NULL) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0)
                time->tv_sec += atol(text);
            close(file);
        }
    }
    return result;
}
