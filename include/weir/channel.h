/*
 * A channel: one connection. The terminator that is set cuts its input into requests. Its replies
 * wait in a queue and leave in order, each when it is ready.
 *
 *             terminator            reply queue
 *   bytes ──▶ cut ──▶ request() ──▶ [ reply ][ reply (open) ][ reply ] ──▶ bytes
 *
 * Everything here is for the loop's own thread, except weir_push_from_thread(). If a callback
 * pushes to its channel, closes or aborts it, this takes effect when the callback has returned.
 *
 * Life cycle: open() once, any number of request(), piece() and so on, close() once, last. The
 * channel is valid from open() until close() returns.
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

WEIR_C_BEGIN

struct weir_channel;
struct weir_loop;
struct weir_permits;
struct weir_reply;
struct weir_tls;
struct weir_tls_info;

enum weir_timeout {
	WEIR_TIMEOUT_IDLE,    /* no request has begun and no reply is due */
	WEIR_TIMEOUT_REQUEST, /* a request began and did not end */
	/* the peer takes no byte of a reply, or sends none that is expected */
	WEIR_TIMEOUT_PROGRESS,
};

/*
 * The bounds of a channel. Begin with weir_bounds_init. Only drain_ms may be 0: what is open when a
 * drain begins is aborted then. Of an outgoing channel, channels_max and drain_ms are not used.
 */
struct weir_bounds {
	size_t request_max; /* bytes of a whole request without its terminator; WEIR_REQUEST_MAX */
	/*
	 * Replies in the queue at which no further request is read; WEIR_REPLIES_MAX. Open replies
	 * and the one that is being sent count. Pushes are not bounded: a protocol that pushes
	 * without a request looks at weir_channel_replies.
	 */
	unsigned replies_max;
	/* The time limits; UINT32_MAX is 49 days. */
	uint32_t idle_ms;      /* without a request and without a reply; WEIR_IDLE_MS */
	uint32_t request_ms;   /* from the first byte of a request to its last; WEIR_REQUEST_MS */
	uint32_t progress_ms;  /* without a byte taken or sent that is due; WEIR_PROGRESS_MS */
	unsigned channels_max; /* of a server on one loop; WEIR_CHANNELS_MAX */
	/*
	 * Of a server: the permits (weir/permits.h) that its channels share with those of other
	 * servers. The server holds them. NULL: there are none.
	 */
	struct weir_permits *permits;
	uint32_t drain_ms; /* in which a draining server may finish its replies; WEIR_DRAIN_MS */
	/*
	 * Of weir_connect: bytes that the kernel may hold unread (SO_RCVBUF) from the first packet
	 * on, and that the peer may send ahead. SO_BUF_LOCK takes this bound off. 0, the default,
	 * and before Linux 5.14: as the kernel decides.
	 */
	unsigned receive_buffer;
};

/* Sets each bound to the default that its comment names, and `permits` to NULL. */
WEIR_API void weir_bounds_init(struct weir_bounds *bounds);

/* The protocol of a server. Every function but `request` may be NULL. */
struct weir_protocol {
	const char *name;

	/*
	 * The connection is established: set a terminator (else it is CRLF, whole), push a
	 * greeting. A negative errno refuses the connection: close() follows with that errno.
	 */
	int (*open)(struct weir_channel *channel);

	/*
	 * A request is complete. Whole input: `request` is all of it, valid until this returns.
	 * Streamed input: piece() has got all of it, `request` is empty.
	 */
	void (*request)(struct weir_channel *channel, struct weir_span request);

	/* Streamed input: the next bytes of the request, at least one, valid until this returns. */
	void (*piece)(struct weir_channel *channel, struct weir_span bytes);

	/*
	 * Of a channel whose input is diverted: the socket has input, or its end. The channel is
	 * paused until weir_channel_diverted, or where it is spliced, until weir_channel_resume.
	 */
	void (*divert_ready)(struct weir_channel *channel);

	/*
	 * The input broke a rule. WEIR_E_LIMIT: the request is larger than the bound; all of it, up
	 * to its terminator, is dropped. WEIR_E_SYNTAX: the terminator refuses the input; nothing
	 * further is read. When NULL the channel is aborted.
	 */
	void (*overflow)(struct weir_channel *channel, int error);

	/* The peer will send nothing further. When NULL the channel closes after its replies. */
	void (*eof)(struct weir_channel *channel);

	/*
	 * The upgrade of weir_channel_start_tls is complete: from here on, input has come
	 * encrypted. `dropped` bytes came in clear behind the request that asked for the upgrade,
	 * and were thrown away (CVE-2011-0411). Not called where TLS began before open().
	 */
	void (*secured)(struct weir_channel *channel, size_t dropped);

	/*
	 * A TLS handshake failed. `why` is one line, valid during the call: the fault and, of a
	 * certificate that was refused, its names, issuer and time. The channel ends afterwards.
	 */
	void (*insecure)(struct weir_channel *channel, const char *why);

	/*
	 * A time limit has passed. The channel is aborted afterwards, unless this function closes
	 * it; when NULL it is aborted at once.
	 */
	void (*timeout)(struct weir_channel *channel, enum weir_timeout which);

	/*
	 * The server drains, and the channel has no request and no reply under way, or
	 * weir_channel_notify_drain has asked for the call anyway. Push a goodbye and close; or
	 * finish first what the channel does not know of: this function is called again after the
	 * next reply has left. When NULL the channel closes.
	 */
	void (*draining)(struct weir_channel *channel);

	/* All replies have left. */
	void (*drained)(struct weir_channel *channel);

	/*
	 * The last call: 0 after an orderly end, else the errno of the cause (-ECONNRESET,
	 * -ETIMEDOUT, …).
	 */
	void (*close)(struct weir_channel *channel, int error);
};

/* -- properties -------------------------------------------------------------------------------- */

/* A pointer of the protocol's own for this channel; NULL at first. */
WEIR_API void *weir_channel_session(const struct weir_channel *channel);
WEIR_API void weir_channel_set_session(struct weir_channel *channel, void *session);

/* The context given to weir_server_create or weir_connect. */
WEIR_API void *weir_channel_context(const struct weir_channel *channel);
WEIR_API struct weir_loop *weir_channel_loop(const struct weir_channel *channel);
WEIR_API const struct weir_address *weir_channel_peer(const struct weir_channel *channel);

/*
 * An ID of the connection for logs, the same as long as it lasts. Written as 16 hexadecimal digits
 * (%016llx) it is of the same kind as the ID of a request in the access log, and none of those.
 */
WEIR_API uint64_t weir_channel_id(const struct weir_channel *channel);

/* The address that the peer connected to. Returns 0 or a negative errno. */
WEIR_API int weir_channel_local(const struct weir_channel *channel, struct weir_address *ret);

/*
 * Returns true if the client's address has reached the bound of the listener's `peers`. The
 * protocol asks this in open() and refuses the connection in its own way.
 */
WEIR_API bool weir_channel_over_quota(const struct weir_channel *channel);

/* The number of replies that are open or have not left yet. */
WEIR_API unsigned weir_channel_replies(const struct weir_channel *channel);

/* Returns true if the server drains: finish, and close. */
WEIR_API bool weir_channel_draining(const struct weir_channel *channel);

/* The activity of a channel, for listings. */
enum weir_activity {
	WEIR_ACTIVITY_IDLE,      /* no request has begun, and no reply is pending */
	WEIR_ACTIVITY_RECEIVING, /* a request or a handshake has begun */
	WEIR_ACTIVITY_REPLYING,  /* at least one reply is pending */
};

WEIR_API enum weir_activity weir_channel_activity(const struct weir_channel *channel);

/* Milliseconds since the last byte came or went. */
WEIR_API uint32_t weir_channel_quiet_ms(const struct weir_channel *channel);

/*
 * Returns the event that the channel waits for, in a word or three, for listings: "a request",
 * "rest of request", "body", "reader", "handshake", "connection", "end of input"; or "the server"
 * while a reply is being made.
 */
WEIR_API const char *weir_channel_waits_for(const struct weir_channel *channel);

/* Bytes given to the kernel so far, before encryption. */
WEIR_API uint64_t weir_channel_sent(const struct weir_channel *channel);

/* Bytes that the kernel holds because the peer has not taken them; 0 if it does not say. */
WEIR_API unsigned weir_channel_unsent(const struct weir_channel *channel);

/*
 * Returns whether the kernel holds bytes that it may not send yet: the peer, or the network, takes
 * less than it is given. False if the kernel does not say.
 */
WEIR_API bool weir_channel_lags(const struct weir_channel *channel);

/* -- input ------------------------------------------------------------------------------------ */

/*
 * Sets the terminator of the next request. `await` collects the request and passes it whole to
 * request(); `stream` passes its bytes to piece() as they come.
 */
WEIR_API void weir_channel_await(struct weir_channel *channel, struct weir_terminator terminator);
WEIR_API void weir_channel_stream(struct weir_channel *channel, struct weir_terminator terminator);

/* Changes bounds.request_max for this channel, from the next byte on. */
WEIR_API void weir_channel_set_request_max(struct weir_channel *channel, uint32_t size);

enum weir_reads {
	WEIR_READS_LARGE, /* WEIR_RECEIVE_SIZE, and of streamed input WEIR_RECEIVE_STREAMED_SIZE */
	WEIR_READS_SMALL, /* WEIR_RECEIVE_SMALL_SIZE */
	WEIR_READS_LEAST, /* WEIR_RECEIVE_LEAST_SIZE; over TLS WEIR_RECEIVE_SMALL_SIZE */
	WEIR_READS_LAST = WEIR_READS_LEAST,
};

/*
 * Sets how many bytes are read at a time from now on: fewer for a protocol that has to copy what it
 * gets. WEIR_READS_LARGE at first.
 */
WEIR_API void weir_channel_set_reads(struct weir_channel *channel, enum weir_reads reads);

/*
 * Stops and resumes reading, for example while a disk is slower than the client. Pauses do not
 * nest.
 */
WEIR_API void weir_channel_pause(struct weir_channel *channel);
WEIR_API void weir_channel_resume(struct weir_channel *channel);

/*
 * The peer is to send input, such as the body of a request, although replies are open. Then the
 * time limits of a request apply, except while the channel is paused. False at first.
 */
WEIR_API void weir_channel_expect_body(struct weir_channel *channel, bool expected);

/*
 * Diverts streamed input: the caller takes it from the socket itself, perhaps on another thread and
 * into a file, and the channel only counts it. `*ret` is a duplicate of the descriptor,
 * non-blocking, which the caller closes. From now on divert_ready() is called instead of piece():
 * when WEIR_DIVERT_GATHER bytes are there, or some bytes after WEIR_DIVERT_GATHER_MS, or at the end
 * of the input.
 *
 * Returns 0; -EOPNOTSUPP if the channel uses TLS, the input is not streamed, or the channel has
 * received a part of it already; or an errno of fcntl. On failure nothing has changed.
 */
WEIR_API int weir_channel_divert(struct weir_channel *channel, int *ret);

/*
 * Reports that `size` bytes were taken, and resumes the channel. `end` is 0; or 1 if the end of the
 * input was met: eof() follows; or a negative errno of the socket: the channel ends with it. The
 * terminator finds its end as in input that the channel receives; no byte behind that end may be
 * taken.
 */
WEIR_API void weir_channel_diverted(struct weir_channel *channel, uint64_t size, int end);

/*
 * The peer may leave before it has a reply, which is not worth the work then: while no byte of the
 * first reply in the queue was put, the end of the peer's input aborts the channel with
 * -ECONNRESET. It is noticed also while no input is read. False by default.
 */
WEIR_API void weir_channel_abort_at_end(struct weir_channel *channel, bool aborts);

/* -- replies ----------------------------------------------------------------------------------- */

/*
 * Appends a reply to the queue. Takes the producer in any case. NULL (a constructor ran out of
 * memory) aborts the channel, since a reply would be missing. Returns 0, -ENOMEM, or WEIR_E_CLOSED
 * if the channel takes no replies any more.
 */
WEIR_API int weir_channel_push(struct weir_channel *channel, struct weir_producer *producer);

/* Pushes text that outlives the channel. */
WEIR_API int weir_channel_push_static(struct weir_channel *channel, const char *text);

/* Pushes a copy of the bytes. */
WEIR_API int weir_channel_push_copy(struct weir_channel *channel, struct weir_span bytes);

/*
 * Opens a reply slot, to be filled later; the replies behind it wait. Returns NULL without memory
 * (the channel is aborted then), or if the channel takes no replies any more. The handle is valid
 * until weir_reply_fill, even if the channel closes earlier; so every open reply must be filled
 * exactly once.
 */
WEIR_API struct weir_reply *weir_reply_open(struct weir_channel *channel);

/*
 * Fills the slot; takes the producer in any case. NULL aborts the channel. If the channel has
 * closed, the producer is closed at once (WEIR_CLOSE_ABORTED).
 */
WEIR_API void weir_reply_fill(struct weir_reply *reply, struct weir_producer *producer);

/* The channel of an open reply, or NULL if it has closed: work on the reply is in vain then. */
WEIR_API struct weir_channel *weir_reply_channel(const struct weir_reply *reply);

/* -- TLS --------------------------------------------------------------------------------------- */

/*
 * Upgrades the channel in place, as STARTTLS, STLS and AUTH TLS do. The replies in the queue leave
 * in clear; the last of them invites the peer to begin. Then the handshake begins, and secured() is
 * called when it is complete. Input that came in clear behind the request is dropped. A reply that
 * is pushed before secured() is refused (WEIR_E_CLOSED). If the handshake fails, close() gets the
 * error. The channel holds `tls` itself.
 *
 * On a server's channel `name` is NULL. On a client's it is the name of the server, a host name or
 * an address, and is copied. It is sent (SNI), and the server's certificate must contain it, unless
 * `tls` was created without `verify`. A client that speaks TLS from the first byte calls this
 * function in its open().
 *
 * Returns 0; WEIR_E_CLOSED if the channel is secure, is being upgraded, or ends; or -ENOMEM.
 */
WEIR_API int weir_channel_start_tls(
        struct weir_channel *channel, struct weir_tls *tls, const char *name);

/*
 * Of a server, after weir_channel_start_tls and before secured(): gives out no session ticket. This
 * is for a peer that only sends and then closes. With TLS 1.3 such a peer never reads the ticket,
 * and a socket that is closed with unread bytes loses what it has not sent yet.
 */
WEIR_API void weir_channel_withhold_tickets(struct weir_channel *channel);

/* Of a server with TLS 1.3: sends a further ticket together with the next reply. */
WEIR_API void weir_channel_send_ticket(struct weir_channel *channel);

/* Returns true if the connection is encrypted: false until the handshake is complete. */
WEIR_API bool weir_channel_secure(const struct weir_channel *channel);

/* Fills in what the handshake has negotiated. Returns false if the channel is not secure. */
WEIR_API bool weir_channel_tls(const struct weir_channel *channel, struct weir_tls_info *ret);

/*
 * Returns true if the input ended without the peer's close_notify: it may have been cut short.
 * Protocols in which the end of the connection is the end of the data ask this in eof() or later.
 * False without TLS.
 */
WEIR_API bool weir_channel_truncated(const struct weir_channel *channel);

/* -- ends -------------------------------------------------------------------------------------- */

/* Closes the channel when the replies in the queue have left; no further request is read. */
WEIR_API void weir_channel_close(struct weir_channel *channel);

/* Closes at once, with a reset; what was not sent is lost. close() gets `error`. */
WEIR_API void weir_channel_abort(struct weir_channel *channel, int error);

/*
 * If a producer fails, the connection ends with a reset and not in an orderly way. This is for
 * replies that only the end of the connection ends.
 */
WEIR_API void weir_channel_reset_on_failure(struct weir_channel *channel, bool reset);

/*
 * Has draining() called also while a request or a reply is under way, perhaps more than once: for
 * protocols whose connections last. The channel does not end by itself then. False at first.
 */
WEIR_API void weir_channel_notify_drain(struct weir_channel *channel, bool always);

/*
 * If the peer has closed and takes no more bytes, the replies in the queue are abandoned. The
 * channel ends then; with true it reads on, up to the end of the input. This is for clients: a
 * server may reply and close while a request is being sent. False at first.
 */
WEIR_API void weir_channel_read_after_failure(struct weir_channel *channel, bool reads);

/* -- from other threads ------------------------------------------------------------------------ */

/*
 * A name for a channel, which may be copied and kept for ever; it finds nothing once the channel
 * has closed.
 */
struct weir_channel_ref {
	struct weir_loop *loop;
	int fd;
	uint32_t generation;
};

WEIR_API struct weir_channel_ref weir_channel_ref(const struct weir_channel *channel);

/* On the loop's thread: returns the channel, or NULL if it has closed. */
WEIR_API struct weir_channel *weir_channel_find(struct weir_channel_ref ref);

/*
 * weir_channel_push from any thread, as long as the loop lives. No more() of the producer may have
 * been called yet. Returns 0, or -ENOMEM (the producer is closed then, on this thread).
 */
WEIR_API int weir_push_from_thread(struct weir_channel_ref ref, struct weir_producer *producer);

WEIR_C_END

#endif
