/*
 * The system calls that each request costs, past the C library. Its functions are cancellation
 * points, which in a process with threads costs two atomic operations a call: a fifth of a short
 * call. A loop waits in epoll_wait alone, which stays a cancellation point; these never wait.
 *
 * Under a sanitizer they are the C library's, whose arguments it checks.
 */
#ifndef WEIR_SOCKET_CALL_H
#define WEIR_SOCKET_CALL_H

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__LP64__)
#define SOCKET_CALL(name, number, ...) name(__VA_ARGS__)
#else
#define SOCKET_CALL(name, number, ...) syscall(number, __VA_ARGS__)
#endif

/* As recv, send and sendmsg on a descriptor that does not block. */

static inline ssize_t socket_receive(int fd, void *data, size_t size)
{
	return SOCKET_CALL(recvfrom, SYS_recvfrom, fd, data, size, 0, NULL, NULL);
}

static inline ssize_t socket_send(int fd, const void *data, size_t size, int flags)
{
	return SOCKET_CALL(sendto, SYS_sendto, fd, data, size, flags, NULL, 0);
}

static inline ssize_t socket_send_message(int fd, const struct msghdr *message, int flags)
{
	return SOCKET_CALL(sendmsg, SYS_sendmsg, fd, message, flags);
}

#endif
