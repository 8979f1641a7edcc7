/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a server: counts the calls that make something durable, in the whole
 * process and in the order in which they happen, and at the one that was asked for kills
 * the process, or lets calls fail.  (strace counts per thread and per call.)  The wall
 * clock can be set wrong too; timers, which run by another clock, do not see it.
 * The plan is a file that the test has mapped too: see crash_point.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SYNC = 1, RENAME = 2, UNLINK = 4, WRITE = 8 };

struct plan {
    _Atomic int64_t classes; /* which calls are counted; 0: none */
    _Atomic int64_t first;   /* the number of the call at which it happens, from 1 */
    _Atomic int64_t last;    /* and until which it goes on (failures only) */
    _Atomic int64_t error;   /* the errno of the failure; 0: kill -9 */
    _Atomic int64_t count;   /* calls so far */
    _Atomic int64_t fired;   /* how often it happened */
    _Atomic int64_t shift;   /* seconds by which the wall clock is wrong */
};

static struct plan *plan;

__attribute__((constructor)) static void map_plan(void)
{
    const char *path = getenv("CRASH_POINT_PLAN");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *found = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED,
                       descriptor, 0);
    close(descriptor);
    if (found != MAP_FAILED)
        plan = found;
}

/* Returns whether the call has to fail; errno is set then. */
static int is_hit(int class)
{
    if (plan == NULL || !(atomic_load(&plan->classes) & class))
        return 0;
    int64_t number = atomic_fetch_add(&plan->count, 1) + 1;
    int64_t first = atomic_load(&plan->first);
    if (first == 0 || number < first || number > atomic_load(&plan->last))
        return 0;
    atomic_fetch_add(&plan->fired, 1);
    int error = (int)atomic_load(&plan->error);
    if (error == 0)
        kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int is_file(int descriptor)
{
    struct stat found;
    int before = errno;
    int answer = fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode);
    errno = before;
    return answer;
}

#define NEXT(result, name, ...)                                                        \
    static result (*next)(__VA_ARGS__);                                                \
    if (next == NULL)                                                                  \
        next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int descriptor)
{
    NEXT(int, "fsync", int);
    return is_hit(SYNC) ? -1 : next(descriptor);
}

int fdatasync(int descriptor)
{
    NEXT(int, "fdatasync", int);
    return is_hit(SYNC) ? -1 : next(descriptor);
}

int rename(const char *from, const char *to)
{
    NEXT(int, "rename", const char *, const char *);
    return is_hit(RENAME) ? -1 : next(from, to);
}

int renameat(int where, const char *from, int there, const char *to)
{
    NEXT(int, "renameat", int, const char *, int, const char *);
    return is_hit(RENAME) ? -1 : next(where, from, there, to);
}

int unlink(const char *path)
{
    NEXT(int, "unlink", const char *);
    return is_hit(UNLINK) ? -1 : next(path);
}

int unlinkat(int where, const char *path, int flags)
{
    NEXT(int, "unlinkat", int, const char *, int);
    return is_hit(UNLINK) ? -1 : next(where, path, flags);
}

ssize_t write(int descriptor, const void *octets, size_t count)
{
    NEXT(ssize_t, "write", int, const void *, size_t);
    if (plan != NULL && (atomic_load(&plan->classes) & WRITE) && is_file(descriptor)
        && is_hit(WRITE))
        return -1;
    return next(descriptor, octets, count);
}

ssize_t pwrite(int descriptor, const void *octets, size_t count, off_t offset)
{
    NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return is_hit(WRITE) ? -1 : next(descriptor, octets, count, offset);
}

ssize_t pwrite64(int descriptor, const void *octets, size_t count, off64_t offset)
{
    NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return is_hit(WRITE) ? -1 : next(descriptor, octets, count, offset);
}

static time_t shift(void)
{
    return plan == NULL ? 0 : (time_t)atomic_load(&plan->shift);
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
    NEXT(int, "clock_gettime", clockid_t, struct timespec *);
    int answer = next(clock, found);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += shift();
    return answer;
}

int gettimeofday(struct timeval *found, void *zone)
{
    NEXT(int, "gettimeofday", struct timeval *, void *);
    int answer = next(found, zone);
    if (answer == 0)
        found->tv_sec += shift();
    return answer;
}

time_t time(time_t *found)
{
    NEXT(time_t, "time", time_t *);
    time_t now = next(NULL) + shift();
    if (found != NULL)
        *found = now;
    return now;
}
