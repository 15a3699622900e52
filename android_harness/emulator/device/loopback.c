/* Preloaded into adbd: whatever address it asks for, it listens on this machine's loopback only.
 *
 * adbd has no option for that, listens on every interface, and asks for no authorization.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int (*bind_fn)(int, const struct sockaddr *, socklen_t);

/* What adbd starts must not inherit this library. */
__attribute__((constructor)) static void leave_the_environment(void) {
    unsetenv("LD_PRELOAD");
}

static int bind_inet(bind_fn next, int fd, const struct sockaddr *address) {
    struct sockaddr_in loopback;
    memcpy(&loopback, address, sizeof loopback);
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(fd, (const struct sockaddr *)&loopback, sizeof loopback);
}

/* The IPv4 loopback address as an IPv6 one: `adb connect 127.0.0.1:PORT` must reach it. */
static int bind_inet6(bind_fn next, int fd, const struct sockaddr *address) {
    static const unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    struct sockaddr_in6 loopback;
    memcpy(&loopback, address, sizeof loopback);
    memcpy(&loopback.sin6_addr, mapped, sizeof mapped);
    return next(fd, (const struct sockaddr *)&loopback, sizeof loopback);
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    bind_fn next = (bind_fn)dlsym(RTLD_NEXT, "bind");
    if (next == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        return bind_inet(next, fd, address);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        return bind_inet6(next, fd, address);
    }
    if (address->sa_family == AF_UNIX) {
        return next(fd, address, length);
    }
    errno = EAFNOSUPPORT; /* virtual-machine sockets reach the host of this machine */
    return -1;
}
