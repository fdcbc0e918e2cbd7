/* Sleeping while libfaketime moves the clock: Python sleeps until an instant of the monotonic clock,
   which stays as it is (FAKETIME_DONT_FAKE_MONOTONIC), and libfaketime takes it for one of the moved
   clock and fails with EINVAL. Preloaded before libfaketime, this asks the system itself. */

#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
