/*
 * Datagrams: a UDP socket on a loop, received from and sent to in batches.
 *
 *   recvmmsg ──▶ answer(), answer(), … ──▶ sendmmsg
 *
 * What can be answered at once is written straight into the batch. What comes later, or was not
 * asked for, is sent by weir_datagrams_send. A reply leaves from the address that was asked, also
 * when the socket is bound to any. Datagrams may be lost: what the kernel does not take is dropped.
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
#include <weir/span.h>

struct weir_datagrams;
struct weir_loop;

/* The address of ours that a datagram came to; family 0: the socket's own. */
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
	bool cut; /* it was longer than receive_max: the rest is lost */
	const struct weir_address *peer;
	const struct weir_datagram_local *local;
};

struct weir_datagrams_options {
	struct weir_address address; /* port 0: any; see weir_datagrams_address */
	bool shared;                 /* SO_REUSEPORT: one socket on each of several loops */
	size_t receive_max;          /* bytes of a datagram that comes */
	size_t reply_max;            /* bytes of a reply; 0: `answer` never replies */
	/*
	 * A datagram has come; it is valid during the call. Writes a reply, of `room` bytes at
	 * most, and returns its size; 0: none. Must not destroy the socket.
	 */
	size_t (*answer)(
	        void *context, const struct weir_datagram *datagram, void *reply, size_t room);
	void *context;
};

/* 0 or a negative errno. */
WEIR_API int weir_datagrams_create(struct weir_loop *loop,
        const struct weir_datagrams_options *options, struct weir_datagrams **ret);

/* The address it is really bound to. */
WEIR_API const struct weir_address *weir_datagrams_address(const struct weir_datagrams *datagrams);

/* `local` is that of what is answered, or NULL. 0 or a negative errno: it was not sent. */
WEIR_API int weir_datagrams_send(struct weir_datagrams *datagrams, const struct weir_address *peer,
        const struct weir_datagram_local *local, struct weir_span bytes);

/*
 * Answers what has come, as the loop does when there is something; before the socket is closed, say.
 * Not from `answer`.
 */
WEIR_API void weir_datagrams_receive(struct weir_datagrams *datagrams);

/* NULL is allowed. */
WEIR_API void weir_datagrams_destroy(struct weir_datagrams *datagrams);

#endif
