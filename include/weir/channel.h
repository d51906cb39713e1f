/*
 * A channel: one connection. Its input is cut into requests by the terminator that is set; its
 * replies stand in a queue and leave in order, each when it is ready.
 *
 *             terminator            reply queue
 *   bytes ──▶ cut ──▶ request() ──▶ [ reply ][ reply (open) ][ reply ] ──▶ bytes
 *
 * Everything here is for the loop's own thread, except weir_push_from_thread(). What a callback
 * does to its channel (push, close, abort) takes effect when the callback has returned.
 *
 * Life cycle: open() once, any number of request(), piece() …, close() once, last. The channel is
 * valid from open() until close() returns.
 */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/producer.h>
#include <weir/span.h>
#include <weir/terminator.h>

struct weir_channel;
struct weir_loop;
struct weir_reply;
struct weir_tls;
struct weir_tls_info;

enum weir_timeout {
	WEIR_TIMEOUT_IDLE,    /* nothing was asked and nothing is owed */
	WEIR_TIMEOUT_REQUEST, /* a request began and did not end */
	WEIR_TIMEOUT_PROGRESS, /* the peer takes no byte of what is owed, or sends none that is awaited */
};

/* The bounds of a channel. A 0 stands for the default of weir/limits.h. */
struct weir_bounds {
	size_t request_max; /* WEIR_REQUEST_MAX: bytes of a whole request, its terminator not counted */
	/*
	 * WEIR_REPLIES_MAX: replies in the queue, open ones and the one that is being sent counted, at
	 * which no further request is read. It does not bound pushes: a protocol that pushes unasked
	 * looks at weir_channel_replies.
	 */
	unsigned replies_max;
	uint32_t idle_ms;      /* WEIR_IDLE_MS */
	uint32_t request_ms;   /* WEIR_REQUEST_MS */
	uint32_t progress_ms;  /* WEIR_PROGRESS_MS */
	unsigned channels_max; /* WEIR_CHANNELS_MAX: of a server on one loop */
	uint32_t drain_ms;     /* WEIR_DRAIN_MS */
};

/* What a server speaks. Every function but `request` may be NULL. */
struct weir_protocol {
	const char *name;

	/*
	 * The connection stands: set a terminator (CRLF, whole, if you do not), push a greeting. A
	 * negative errno refuses: close() follows with it.
	 */
	int (*open)(struct weir_channel *channel);

	/*
	 * A request is complete. Whole input: `request` is all of it, valid until this returns.
	 * Streamed input: all of it was given to piece(), `request` is empty.
	 */
	void (*request)(struct weir_channel *channel, struct weir_span request);

	/* Streamed input: the next bytes of the request, never none, valid until this returns. */
	void (*piece)(struct weir_channel *channel, struct weir_span bytes);

	/*
	 * Of a channel that is tapped: there is input, or its end, to be taken from the socket. The
	 * channel is paused now, until weir_channel_diverted.
	 */
	void (*arrived)(struct weir_channel *channel);

	/*
	 * The input broke a rule: WEIR_E_LIMIT, the request is larger than the bound: what there
	 * was is dropped, and so will be the rest up to its terminator; WEIR_E_SYNTAX, the
	 * terminator refuses the input: nothing is read any more. When NULL the channel is aborted.
	 */
	void (*overflow)(struct weir_channel *channel, int error);

	/* The peer will send nothing further. When NULL the channel closes after its replies. */
	void (*eof)(struct weir_channel *channel);

	/*
	 * The upgrade that weir_channel_start_tls began is complete: the channel is secure, and what
	 * the peer says from here on was said in secret. `dropped` bytes were not: they came in clear
	 * behind the request that asked for the upgrade, and were thrown away (CVE-2011-0411). Not
	 * called where TLS stood before open().
	 */
	void (*secured)(struct weir_channel *channel, size_t dropped);

	/*
	 * Optional: TLS failed, at a handshake. `why` is one line and valid during the call: the fault and,
	 * of a certificate that was refused, its names, issuer and time. The channel ends after it.
	 */
	void (*insecure)(struct weir_channel *channel, const char *why);

	/* When NULL, and after it unless the channel was closed in it, the channel is aborted. */
	void (*timeout)(struct weir_channel *channel, enum weir_timeout which);

	/*
	 * The server drains, and nothing is under way here that the channel knows of: say last words and
	 * close, or finish first what the channel does not know of; it is asked again when that has
	 * brought a reply. When NULL the channel closes.
	 */
	void (*draining)(struct weir_channel *channel);

	/* All replies have gone. */
	void (*drained)(struct weir_channel *channel);

	/*
	 * The last call: 0 after an orderly end, else what ended it (-ECONNRESET, -ETIMEDOUT, …).
	 */
	void (*close)(struct weir_channel *channel, int error);
};

/* -- what it is ------------------------------------------------------------------------------- */

/* A pointer of the protocol's own for this channel; NULL at first. */
WEIR_API void *weir_channel_session(const struct weir_channel *channel);
WEIR_API void weir_channel_set_session(struct weir_channel *channel, void *session);

/* The context given to weir_server_create or weir_connect. */
WEIR_API void *weir_channel_context(const struct weir_channel *channel);
WEIR_API struct weir_loop *weir_channel_loop(const struct weir_channel *channel);
WEIR_API const struct weir_address *weir_channel_peer(const struct weir_channel *channel);

/* The address the peer connected to. 0 or a negative errno. */
WEIR_API int weir_channel_local(const struct weir_channel *channel, struct weir_address *ret);

/* Replies open or not gone yet. */
WEIR_API unsigned weir_channel_replies(const struct weir_channel *channel);

/* The server wants to stop: finish, and close. */
WEIR_API bool weir_channel_draining(const struct weir_channel *channel);

/* -- input ------------------------------------------------------------------------------------ */

/*
 * The next request ends so; it is collected and given whole (whole), or given as it comes
 * (streamed).
 */
WEIR_API void weir_channel_await(struct weir_channel *channel, struct weir_terminator terminator);
WEIR_API void weir_channel_stream(struct weir_channel *channel, struct weir_terminator terminator);

/* Another bound for whole requests from here on, instead of bounds.request_max. */
WEIR_API void weir_channel_set_request_max(struct weir_channel *channel, uint32_t size);

/* Stops and goes on reading, as when a disk is slower than the client. Pauses do not add up. */
WEIR_API void weir_channel_pause(struct weir_channel *channel);
WEIR_API void weir_channel_resume(struct weir_channel *channel);

/*
 * The peer owes input, as the body of a request, though replies are open: it has to come as fast as
 * the limits of a request ask for, except while paused. Off at first.
 */
WEIR_API void weir_channel_expect_input(struct weir_channel *channel, bool owed);

/*
 * Streamed input past the channel: it is taken from the socket itself, on another thread maybe, as into
 * a file, and the channel only counts it. `*ret` is another descriptor of the socket, the caller's
 * to close; it does not block. From now on arrived() comes instead of piece(), when WEIR_DIVERT_GATHER
 * bytes are there, or what has come in WEIR_DIVERT_GATHER_MS, or the end.
 *
 * 0; -EOPNOTSUPP: what comes is not what the peer sends (TLS), is not streamed, or part of it is
 * with the channel already; an errno of fcntl. Then all is as it was.
 */
WEIR_API int weir_channel_divert(struct weir_channel *channel, int *ret);

/*
 * `size` bytes were taken; the channel goes on. `end` is 0; 1: the end of the input was met, and eof()
 * follows; or a negative errno that the socket gave: the channel ends with it. The terminator's
 * end is met as with bytes that the channel received; no more than up to it may be taken.
 */
WEIR_API void weir_channel_diverted(struct weir_channel *channel, uint64_t size, int end);

/* -- replies ---------------------------------------------------------------------------------- */

/*
 * Puts a reply last in the queue. Takes the producer in any case; NULL (a constructor without
 * memory) aborts the channel, since a reply would be missing. 0 or a negative errno.
 */
WEIR_API int weir_channel_push(struct weir_channel *channel, struct weir_producer *producer);

/* A reply of static text or of text that outlives the channel; of text that is copied. */
WEIR_API int weir_channel_push_static(struct weir_channel *channel, const char *text);
WEIR_API int weir_channel_push_copy(struct weir_channel *channel, struct weir_span bytes);

/*
 * Opens a place in the queue, to be filled later; the replies behind it wait. NULL without memory
 * (the channel is aborted then). The handle is valid until weir_reply_fill, also when the channel
 * has closed meanwhile: so each open reply must be filled once.
 */
WEIR_API struct weir_reply *weir_reply_open(struct weir_channel *channel);

/*
 * Fills it; takes the producer in any case. NULL aborts the channel. If the channel is gone the
 * producer is closed at once (WEIR_CLOSE_ABORTED).
 */
WEIR_API void weir_reply_fill(struct weir_reply *reply, struct weir_producer *producer);

/* The channel of an open reply, or NULL: it has closed, and what is still being made is in vain. */
WEIR_API struct weir_channel *weir_reply_channel(const struct weir_reply *reply);

/* -- TLS -------------------------------------------------------------------------------------- */

/*
 * Upgrades the channel in place, as STARTTLS, STLS and AUTH TLS do: the replies in the queue (the
 * last of them says to go on) leave in clear, then the handshake begins, then comes secured(). What
 * was received in clear behind the request is dropped; a reply pushed before secured() is refused
 * (WEIR_E_CLOSED). If the handshake fails, close() tells why. The channel holds `tls` itself.
 *
 * `name` is NULL on a server's channel. On a client's it is the server's name, which is asked for
 * and, unless the client is unverified, has to stand in the certificate (a name of a host or an
 * address); copied. A client that speaks TLS from the first byte calls this in its open().
 *
 * 0; WEIR_E_CLOSED: the channel is secure already, or about to be, or ends; -ENOMEM.
 */
WEIR_API int weir_channel_start_tls(
        struct weir_channel *channel, struct weir_tls *tls, const char *name);

/*
 * Of a server, after weir_channel_start_tls and before secured(): no session ticket is given out. For
 * a peer that only sends and then closes: with TLS 1.3 it never reads one, and a socket that is
 * closed with unread bytes loses those that it has not sent yet.
 */
WEIR_API void weir_channel_withhold_tickets(struct weir_channel *channel);

/* Of a server: a further ticket goes along with what is sent next. Only TLS 1.3 has that. */
WEIR_API void weir_channel_send_ticket(struct weir_channel *channel);

/* What the peer sends and gets is encrypted. False until the handshake is complete. */
WEIR_API bool weir_channel_secure(const struct weir_channel *channel);

/* What was agreed on; false when the channel is not secure. */
WEIR_API bool weir_channel_tls(const struct weir_channel *channel, struct weir_tls_info *ret);

/*
 * The input ended without the peer's close_notify: somebody may have cut it short. For protocols in
 * which the end of the connection is the end of the data, in eof() and later. False without TLS.
 */
WEIR_API bool weir_channel_truncated(const struct weir_channel *channel);

/* -- ends ------------------------------------------------------------------------------------- */

/* Closes when the replies in the queue have gone; reads no further requests. */
WEIR_API void weir_channel_close(struct weir_channel *channel);

/* Closes now, with a reset; what was not sent is lost. `error` is what close() will be told. */
WEIR_API void weir_channel_abort(struct weir_channel *channel, int error);

/*
 * Should a producer fail, end with a reset and not in an orderly way: for replies whose end is
 * told by the end of the connection alone.
 */
WEIR_API void weir_channel_reset_on_failure(struct weir_channel *channel, bool reset);

/* -- from other threads ------------------------------------------------------------------------ */

/*
 * A name for a channel that may be kept and passed on for ever; it says nothing once the channel
 * has closed.
 */
struct weir_channel_ref {
	struct weir_loop *loop;
	int fd;
	uint32_t generation;
};

WEIR_API struct weir_channel_ref weir_channel_ref(const struct weir_channel *channel);

/* On the loop's thread: the channel, or NULL if it has closed. */
WEIR_API struct weir_channel *weir_channel_find(struct weir_channel_ref ref);

/*
 * weir_channel_push from any thread, as long as the loop lives. The producer must not have been
 * asked yet. 0 or -ENOMEM (the producer is closed then, on this thread).
 */
WEIR_API int weir_push_from_thread(struct weir_channel_ref ref, struct weir_producer *producer);

#endif
