/* Preloaded into the phone's programs (/etc/ld.so.preload): clocks and cores as its kernel would give them.
 *
 * The programs of a phone that sleeps are stopped (suspend.c). CLOCK_BOOTTIME, which is this
 * machine's, runs on meanwhile; CLOCK_MONOTONIC stands, so what the phone slept is taken off. A
 * binding is to the phone's cores, which this machine has not: it is only remembered, and
 * sched_getcpu names the first core that it allows.
 */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define NS 1000000000LL

static struct kernel *kernel;
static _Atomic int bound_to;

/* adbd goes on while the others sleep: for it no clock stands. */
__attribute__((constructor)) static void find_kernel(void) {
    if (strcmp(program_invocation_short_name, "adbd") != 0) kernel = open_kernel();
}

static int stands_in_sleep(clockid_t clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
    if (kernel != NULL && stands_in_sleep(clock)) {
        int64_t awake = now->tv_sec * NS + now->tv_nsec - kernel->asleep_ns;
        now->tv_sec = awake / NS;
        now->tv_nsec = awake % NS;
    }
    return 0;
}

int sched_setaffinity(pid_t process, size_t size, const cpu_set_t *set) {
    (void)process;
    if (kernel != NULL && kernel->binding == BINDING_IGNORED) return 0;
    if (kernel == NULL || kernel->binding == BINDING_DONE) {
        for (int cpu = 0; cpu < 8 * (int)size; cpu++) {
            if (!CPU_ISSET_S((size_t)cpu, size, set)) continue;
            bound_to = cpu;
            return 0;
        }
    }
    errno = EINVAL;
    return -1;
}

int sched_getcpu(void) {
    return bound_to;
}
