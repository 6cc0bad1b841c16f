/* Counts what a process does to the files under one folder, and at the n-th such operation kills it or refuses.
 *
 * Loaded with LD_PRELOAD, so that what is tested is the shipped program with nothing replaced inside it. Operations:
 * create, write, truncate, sync, rename, link, unlink, mkdir, rmdir. `chaos_arm` is called through ctypes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT = 0, KILL = 1, TEAR = 2, REFUSE = 3 };
enum { CREATE, WRITE, TRUNCATE, SYNC, RENAME, LINK, UNLINK, MKDIR, RMDIR, KINDS };

static char root[4096];
static size_t root_length;
static int action, refusal;
static long first, last;
static atomic_long passed, passed_by_kind[KINDS];

/* From now on operation number `at` (from 1) is the one; refusals last until operation `until`. */
void chaos_arm(const char *folder, int what, long at, long until, int error) {
    snprintf(root, sizeof root, "%s/", folder);
    action = what, first = at, last = until, refusal = error;
    atomic_store(&passed, 0);
    for (int kind = 0; kind < KINDS; kind++) atomic_store(&passed_by_kind[kind], 0);
    root_length = strlen(root);
}

long chaos_passed(int kind) { return kind < 0 ? atomic_load(&passed) : atomic_load(&passed_by_kind[kind]); }

static int is_inside(const char *path) { return root_length && path && !strncmp(path, root, root_length); }

static int is_descriptor_inside(int descriptor) {
    char link[64], path[4096];
    if (!root_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_inside(path) || (size_t)length + 1 == root_length;
}

/* Whether to refuse; does not return when it is the moment to die. `torn` says that the caller dies by itself. */
static int pass(int kind, int *torn) {
    long number = atomic_fetch_add(&passed, 1) + 1;
    atomic_fetch_add(&passed_by_kind[kind], 1);
    /* Removing a name needs no space: a full disk does not refuse it. */
    int is_removal = kind == UNLINK || kind == RMDIR;
    if (action == REFUSE && number >= first && number <= last && !(is_removal && refusal != EIO)) {
        errno = refusal;
        return 1;
    }
    if (number != first || action == COUNT || action == REFUSE) return 0;
    if (action == TEAR && torn) {
        *torn = 1;
        return 0;
    }
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_writing(int flags) { return flags & (O_CREAT | O_TRUNC); }

#define OPENING(name)                                                        \
    int name(const char *path, int flags, ...) {                             \
        va_list rest;                                                        \
        va_start(rest, flags);                                               \
        mode_t mode = is_writing(flags) ? va_arg(rest, mode_t) : 0;          \
        va_end(rest);                                                        \
        if (is_writing(flags) && is_inside(path) && pass(CREATE, NULL)) return -1; \
        return REAL(name)(path, flags, mode);                                \
    }
OPENING(open)
OPENING(open64)

ssize_t write(int descriptor, const void *content, size_t count) {
    int torn = 0;
    if (is_descriptor_inside(descriptor)) {
        if (pass(WRITE, &torn)) return -1;
        if (torn) {
            REAL(write)(descriptor, content, count / 2);
            die();
        }
    }
    return REAL(write)(descriptor, content, count);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    if (is_descriptor_inside(descriptor) && pass(WRITE, NULL)) return -1;
    return REAL(writev)(descriptor, parts, count);
}

ssize_t pwrite64(int descriptor, const void *content, size_t count, off64_t offset) {
    if (is_descriptor_inside(descriptor) && pass(WRITE, NULL)) return -1;
    return REAL(pwrite64)(descriptor, content, count, offset);
}

int ftruncate64(int descriptor, off64_t length) {
    if (is_descriptor_inside(descriptor) && pass(TRUNCATE, NULL)) return -1;
    return REAL(ftruncate64)(descriptor, length);
}

int fsync(int descriptor) {
    if (is_descriptor_inside(descriptor) && pass(SYNC, NULL)) return -1;
    return REAL(fsync)(descriptor);
}

int rename(const char *from, const char *to) {
    if (is_inside(to) && pass(RENAME, NULL)) return -1;
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
    if (is_inside(to) && pass(LINK, NULL)) return -1;
    return REAL(link)(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    if (is_inside(to) && pass(LINK, NULL)) return -1;
    return REAL(linkat)(from_folder, from, to_folder, to, flags);
}

int unlink(const char *path) {
    if (is_inside(path) && pass(UNLINK, NULL)) return -1;
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    if (is_inside(path) && pass(MKDIR, NULL)) return -1;
    return REAL(mkdir)(path, mode);
}

int rmdir(const char *path) {
    if (is_inside(path) && pass(RMDIR, NULL)) return -1;
    return REAL(rmdir)(path);
}
