/*
 * Datagrams: a UDP socket on a loop, received from and sent to in batches.
 *
 *   recvmmsg ──▶ answer(), answer(), … ──▶ sendmmsg
 *
 * answer() writes an immediate reply into the batch. weir_datagrams_send sends later replies, and
 * other datagrams. A reply leaves from the address to which the query was sent, also if the socket
 * is bound to any address. Datagrams may be lost: those that the kernel does not take are dropped.
 *
 * Everything is for the loop's own thread.
 */
#ifndef WEIR_DATAGRAM_H
#define WEIR_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/limits.h>
#include <weir/open_file.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_datagrams;
struct weir_loop;

/* The local address to which a datagram was sent; family 0: that of the socket. */
struct weir_datagram_local {
	sa_family_t family;
	unsigned interface; /* 0: any */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct weir_datagram {
	struct weir_span bytes;
	bool cut; /* the datagram was longer than receive_max; the rest is lost */
	const struct weir_address *peer;
	const struct weir_datagram_local *local;
};

/*
 * Handles a datagram, which is valid during the call. Writes a reply of at most `room` bytes and
 * returns its size, or returns 0 for no reply. Must not destroy the socket.
 */
typedef size_t weir_datagram_answer_fn(
        void *context, const struct weir_datagram *datagram, void *reply, size_t room);

/* Begin with weir_datagrams_options_init. */
struct weir_datagrams_options {
	struct weir_address address;      /* port 0: any; see weir_datagrams_address */
	bool shared;                      /* SO_REUSEPORT: one socket on each of several loops */
	weir_open_socket_fn *open_socket; /* of socket_context; NULL: a socket is made */
	void *socket_context;
	size_t receive_max; /* bytes of a received datagram; WEIR_DATAGRAM_MAX */
	size_t reply_max;   /* bytes of a reply; WEIR_DATAGRAM_MAX; 0: none is sent */
	weir_datagram_answer_fn *answer;
	void *context;
};

/* Sets every member to its default. The address and answer() have none. */
WEIR_API void weir_datagrams_options_init(struct weir_datagrams_options *options);

/*
 * Returns 0; -EINVAL if answer() is missing or receive_max is 0, for example because the options
 * were not initialised; or another negative errno.
 */
WEIR_API int weir_datagrams_create(struct weir_loop *loop,
        const struct weir_datagrams_options *options, struct weir_datagrams **ret);

/* The address of the socket, with the port that the system has chosen for port 0. */
WEIR_API const struct weir_address *weir_datagrams_address(const struct weir_datagrams *datagrams);

/*
 * `local` is that of the datagram that is answered, or NULL. Returns 0, or a negative errno if
 * nothing was sent.
 */
WEIR_API int weir_datagrams_send(struct weir_datagrams *datagrams, const struct weir_address *peer,
        const struct weir_datagram_local *local, struct weir_span bytes);

/*
 * Answers the datagrams that the kernel holds; otherwise the loop does that. For use before the
 * socket is closed. Not from answer().
 */
WEIR_API void weir_datagrams_receive(struct weir_datagrams *datagrams);

/* NULL is allowed. */
WEIR_API void weir_datagrams_destroy(struct weir_datagrams *datagrams);

WEIR_C_END

#endif
