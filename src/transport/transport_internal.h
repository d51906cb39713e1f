/*
 * The transports, for the channel and for the files of this folder.
 *
 *   tcp.c              TCP
 *   tls.c              TLS: records out of pieces and files, records into bytes
 *   tls_bio.c          its lower end: OpenSSL's access to the socket
 *   tls_sign.c         private keys that are elsewhere
 *   tls_remote.c       the steps of a handshake that wait for them
 *   tls_context.c      struct weir_tls: rules, for servers and clients
 *   tls_certificate.c  a server's certificates, and which of them for which name
 *   tls_clients.c      the certificates of clients
 *   tls_ticket.c       the keys of session tickets
 */
#ifndef WEIR_TRANSPORT_INTERNAL_H
#define WEIR_TRANSPORT_INTERNAL_H

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/tls.h>
#include <weir/transport.h>

struct weir_loop;

/* -- system calls ------------------------------------------------------------------------------ */

/*
 * The system calls that each request costs, past the C library. Its functions are cancellation
 * points, which in a process with threads costs two atomic operations a call: a fifth of a short
 * call. A loop waits in epoll_wait alone, which stays a cancellation point; these never wait.
 *
 * Under a sanitizer they are the C library's, whose arguments it checks.
 */
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

/* -- TLS: one connection ----------------------------------------------------------------------- */

/*
 * Until start() is called, the transport sends in clear, so that the last replies in clear leave
 * through it. `name` is that of weir_channel_start_tls. Returns NULL without memory.
 */
struct weir_transport *tls_transport(
        struct weir_tls *tls, struct weir_loop *loop, const char *name);

/* Returns true for a transport that was made here. The functions below are for these only. */
bool transport_is_tls(const struct weir_transport *transport);

/* Returns true for a client, which sends the first record. */
bool tls_speaks_first(const struct weir_transport *transport);

/* start() was called: there is an SSL object with all its memory. */
bool tls_begun(const struct weir_transport *transport);

/* The peer takes no more: drops ciphertext that waits for it. Input may still be read. */
void tls_drop_pending(struct weir_transport *transport);

/* The handshake is complete. */
bool tls_complete(const struct weir_transport *transport);

/* The peer has sent a byte. */
bool tls_heard(const struct weir_transport *transport);

/* A pointer for the user of the transport; NULL at first. */
void *tls_owner(const struct weir_transport *transport);
/* With an owner, `wake` is called when a step of the handshake that was waited for is made. */
void tls_set_owner(struct weir_transport *transport, void *owner, void (*wake)(void *owner));

/* A step of the handshake waits for a signature: start() can do nothing until `wake`. */
bool tls_busy(const struct weir_transport *transport);

/* The step is made: start() is due, without an event. */
bool tls_step_due(const struct weir_transport *transport);

/* See weir_channel_withhold_tickets and weir_channel_send_ticket. */
void tls_withhold_tickets(struct weir_transport *transport);
void tls_send_ticket(struct weir_transport *transport);

/* The reason for which the handshake or a record failed; never NULL. */
const char *tls_why(const struct weir_transport *transport);

/* The peer's first byte was not that of a TLS handshake. */
bool tls_spoke_plain(const struct weir_transport *transport);

/* The input ended without close_notify. */
bool tls_truncated(const struct weir_transport *transport);

void weir_tls_info(const struct weir_transport *transport, struct weir_tls_info *ret);

#endif
