/*
 * What a channel is made of, for the files of this folder.
 *
 *   input.c     receives, cuts, calls the protocol
 *   reply.c     the queue of replies
 *   flush.c     asks the replies' producers and sends what they put
 *   divert.c      input that others take from the socket
 *   secure.c    TLS: handshakes, upgrades
 *   timeout.c   which time limit applies now
 *   permits.c   whether a server has room for another channel, and which one it closes for it
 *   channel.c   beginning and end, and process(): one run of input ─▶ flush ─▶ end
 */
#ifndef WEIR_CHANNEL_STATE_H
#define WEIR_CHANNEL_STATE_H

#include <weir/channel.h>
#include <weir/cutter.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/server.h>
#include <weir/transport.h>

/* What all channels of a server on one loop (or one outgoing channel) have in common. */
struct server_host {
	struct weir_loop *loop;
	const struct weir_protocol *protocol;
	void *context;
	struct weir_bounds bounds; /* no 0 left */
	struct weir_list channels; /* those that something happened to most recently last */
	unsigned count;
	bool draining;
	unsigned reserved;           /* channels that need no shared permit */
	struct permits_group *group; /* or NULL: without permits */
	struct weir_list group_link;
	void (*channel_gone)(struct server_host *host); /* after one was freed; may free the host */

	const struct weir_listener *listener; /* of a server; or NULL */
	struct weir_tls *tls;        /* from the first byte, or NULL; borrowed from the listener */
	const char *tls_refusal;     /* sent in clear to clients that do not speak TLS */
	struct weir_list handshakes; /* those that are begun, the oldest first (secure.c) */
	unsigned handshake_count;
	unsigned steps;      /* of handshakes, … */
	uint64_t steps_turn; /* … in this turn */
};

enum reply_state {
	REPLY_OPEN,    /* not filled yet */
	REPLY_READY,   /* its producer may be asked */
	REPLY_WAITING, /* its producer will wake us */
	REPLY_DONE,    /* nothing more to ask; may have bytes on the way */
	REPLY_FAILED,  /* the same, and then the channel ends */
};

struct weir_reply {
	struct weir_waiter waiter;
	struct weir_reply *next;        /* a ring: the last one's is the first */
	struct weir_channel *channel;   /* NULL: gone, only weir_reply_fill is to come */
	struct weir_producer *producer; /* NULL while open */
	uint64_t end; /* the channel's `sent` when the last byte it put has gone */
	enum reply_state state;
	bool woken; /* while it was being asked */
};

/* Output that the kernel would not take: pieces, and behind them what was scratch. */
struct remainder {
	unsigned first;
	unsigned count;
	struct weir_piece pieces[];
};

/*
 * The life of a channel. channel_enter() is the one way into a phase.
 *
 *      connect          accept          accept, TLS from the first byte
 *         │               │                │
 *     CONNECTING ──────▶ OPEN ◀──────── SECURING    handshake complete
 *                         │                ▲
 *             start_tls() └─▶ UPGRADING ───┘        the last reply in clear has left
 *
 *     any of these ── close, end of the input, drain, failed handshake ──▶ CLOSING
 *     CLOSING ── the reply queue is empty ──▶ ENDING ── our end is sent ──▶ LINGERING ──▶ DEAD
 *     any but DEAD ── a reply has failed ──▶ ENDING
 *     any ── abort, error, time limit, nothing to linger for ──▶ DEAD
 */
enum channel_phase {
	CHANNEL_CONNECTING, /* the socket is not connected yet */
	CHANNEL_OPEN,       /* requests are read, replies are sent */
	CHANNEL_UPGRADING,  /* the replies in the queue leave in clear; input is dropped */
	CHANNEL_SECURING,   /* in the handshake */
	CHANNEL_CLOSING,    /* no request is read; the replies in the queue are sent */
	CHANNEL_ENDING,     /* no reply is taken; the end of the output is being sent */
	CHANNEL_LINGERING,  /* input is read and dropped, so that the peer gets our last bytes */
	CHANNEL_DEAD,       /* to be freed as soon as it is not busy */
	CHANNEL_PHASE_LAST = CHANNEL_DEAD,
};

enum input_end {
	INPUT_OPEN,
	INPUT_ENDED,        /* the peer will send nothing further */
	INPUT_END_REPORTED, /* … and the protocol knows */
	INPUT_END_LAST = INPUT_END_REPORTED,
};

/* Input that somebody else takes from the socket (divert.c). */
enum diversion {
	DIVERT_NONE,
	DIVERT_FIRST_BYTE, /* the first byte is awaited */
	DIVERT_GATHERING,  /* the kernel reports when there is enough */
	DIVERSION_LAST = DIVERT_GATHERING,
};

/* How much the kernel may hold unsent: WEIR_UNSENT_LOW, … */
enum unsent {
	UNSENT_LOW,
	UNSENT_HIGH,
	UNSENT_FILE,
	UNSENT_LAST = UNSENT_FILE,
};

enum timing {
	TIMING_NONE, /* something of ours is awaited */
	TIMING_IDLE,
	TIMING_REQUEST,
	TIMING_BODY,
	TIMING_OUTPUT,
	TIMING_LINGER,
	TIMING_CONNECT,
	TIMING_HANDSHAKE,
	TIMING_GATHER,
	TIMING_LAST = TIMING_GATHER,
};

/* Bits of a channel that hold an enum. */
#define UNSENT_BITS 2
#define TIMING_BITS 4
#define PHASE_BITS 3
#define INPUT_END_BITS 2
#define DIVERSION_BITS 2
_Static_assert(UNSENT_LAST < 1 << UNSENT_BITS, "enum unsent does not fit into its bits");
_Static_assert(TIMING_LAST < 1 << TIMING_BITS, "enum timing does not fit into its bits");
_Static_assert(CHANNEL_PHASE_LAST < 1 << PHASE_BITS, "enum channel_phase does not fit its bits");
_Static_assert(INPUT_END_LAST < 1 << INPUT_END_BITS, "enum input_end does not fit into its bits");
_Static_assert(DIVERSION_LAST < 1 << DIVERSION_BITS, "enum diversion does not fit into its bits");
_Static_assert((WEIR_READABLE | WEIR_WRITABLE | WEIR_BROKEN) <= UINT8_MAX,
        "enum weir_event does not fit into a byte");

/* Size matters: this is all that an idle client costs. */
struct weir_channel {
	struct weir_watch watch;
	struct server_host *host;
	struct weir_transport *transport;
	void *session;
	struct weir_list link; /* in host->channels */
	struct weir_timer timer;
	struct weir_task task; /* process() later */

	struct weir_cutter cutter; /* of the input */

	struct weir_reply *last; /* of the ring of replies; NULL when there is none */
	struct remainder *remainder;
	uint64_t sent; /* bytes taken by the transport */

	uint32_t progress_at_ms; /* the clock's low bits when a byte came or went last */
	uint32_t
	        request_at_ms; /* … when the request that is coming in began, moved on as streamed bytes come */
	int error; /* what close() will be told */
	struct weir_address peer;
	uint32_t reply_count;

	uint8_t events;                     /* watched now: enum weir_event */
	uint8_t unsent : UNSENT_BITS;       /* enum unsent */
	uint8_t timing : TIMING_BITS;       /* enum timing the timer was set for */
	uint8_t phase : PHASE_BITS;         /* enum channel_phase */
	uint8_t input_end : INPUT_END_BITS; /* enum input_end */
	uint8_t diversion : DIVERSION_BITS; /* enum diversion */
	bool opened : 1;                    /* open() was called: close() is due */
	bool busy : 1;                      /* in process() or a callback */
	bool paused : 1;                    /* by the protocol */
	bool expects_body : 1;              /* weir_channel_expect_body */
	bool blocked : 1;                   /* the transport takes nothing now */
	bool drained_reported : 1;          /* drained() was called since the last reply */
	bool reset_on_failure : 1;          /* weir_channel_reset_on_failure */
	bool counted : 1;                   /* among the peers of the listener */
	bool unread : 1;                    /* input was left when the channel began to close */
	bool reset : 1;                     /* CHANNEL_DEAD ends with a reset */
	uint16_t listed; /* the clock when it went to the end of host->channels (channel_second) */
};

/* An idle client may cost 256 bytes, with what malloc adds and its transport. */
_Static_assert(
        sizeof(struct weir_channel) <= 232, "a channel is larger than an idle client may be");

/* -- channel.c -- */

/* A channel for a connected (or, `connecting`) socket; NULL without memory or watch (*ret_error). The descriptor is taken
 * only on success. */
struct weir_channel *channel_create(struct server_host *host, int fd,
        const struct weir_address *peer, bool connecting, int *ret_error);
void channel_start(struct weir_channel *channel);
void channel_schedule(struct weir_channel *channel);
/* The task that channel_schedule defers. */
void channel_task(struct weir_task *task);
/* Frees a dead channel at once; not while it is busy. */
void channel_destroy(struct weir_channel *channel);
/* The phase's own consequences follow; from CHANNEL_CLOSING on, no earlier phase comes back. */
void channel_enter(struct weir_channel *channel, enum channel_phase phase);
/* Counts the connection among the peers of the listener, if their number is bounded. */
void channel_count_peer(struct weir_channel *channel);
/* Enters CHANNEL_DEAD; `error` is for close(). */
void channel_kill(struct weir_channel *channel, int error, bool reset);
void channel_bounds_fill(struct weir_bounds *bounds);
uint32_t channel_clock(const struct weir_channel *channel);
/* No request has begun and no reply is due: the channel may be closed without harm. */
bool channel_idle(const struct weir_channel *channel);

static inline bool channel_dead(const struct weir_channel *channel)
{
	return channel->phase == CHANNEL_DEAD;
}

/* -- input.c -- */

extern const struct weir_cutter_type channel_cutter_type;
bool channel_input_wanted(const struct weir_channel *channel);
/* Reads once into the loop's buffer: the bytes, or 0. Notes the end of the input and errors. */
size_t channel_input_receive(struct weir_channel *channel, char *buffer);
/* Keeps what is left for later. */
void channel_input_end(struct weir_channel *channel, const struct weir_region *region);
void channel_input_tell_eof(struct weir_channel *channel);
/* Counts streamed bytes that came. */
void channel_input_note(struct weir_channel *channel, size_t size);

/* -- divert.c-- */
/* There is input, or the end of it, for who takes it. */
void channel_divert_readable(struct weir_channel *channel);
/* What there is has been gathered for long enough. */
void channel_divert_gathered(struct weir_channel *channel);

/* -- reply.c -- */
struct weir_reply *channel_reply_first(const struct weir_channel *channel);
void channel_replies_pop_sent(struct weir_channel *channel);
void channel_replies_abandon(struct weir_channel *channel, enum weir_close_reason why);

/* -- flush.c -- */
/*
 * Sends until `sent` has come to `until`; then others have their turn, this one goes on in the
 * next, and the answer is false.
 */
bool channel_flush(struct weir_channel *channel, uint64_t until);

/* -- secure.c -- */
/* TLS from the first byte, where the host has it. 0 or -ENOMEM. */
int channel_secure_begin(struct weir_channel *channel);
/* The handshake is the peer's to begin, and not a byte of it has come. */
bool channel_secure_silent(const struct weir_channel *channel);
/* The last reply in clear has gone. */
void channel_secure_upgrade(struct weir_channel *channel);
/* Goes on with the handshake. True when it is complete. */
bool channel_secure_step(struct weir_channel *channel);
/* The handshake has failed, or took too long: tells so, and ends the channel. */
void channel_secure_fail(struct weir_channel *channel, int error);
/* The upgrade or handshake is complete, or given up. */
void channel_secure_end(struct weir_channel *channel);
/* `size` bytes of input came in clear after the upgrade was asked for. */
void weir_secure_drop(struct weir_channel *channel, size_t size);
/* Fills the bounds and begins the lists. */
void server_host_init(struct server_host *host);

/* -- permits.c -- */
/* For a server: it uses the permits of its bounds. Returns 0 or -ENOMEM. */
int permits_join(struct server_host *host);
/* All channels of the host have closed. */
void permits_leave(struct server_host *host);
/* Whether the host may have one channel more. */
bool permits_available(const struct server_host *host);
/* host->count has grown by one, or shrunk by one. */
void permits_channel_opened(struct server_host *host);
void permits_channel_closed(struct server_host *host);
/*
 * Closes the channel that has been idle longest: of this host if it has reached its own bound, else of all
 * hosts on this loop that share its permits. Returns false if no channel can be closed; another loop is
 * asked to close one then.
 */
bool permits_make_room(struct server_host *host);

/* -- timeout.c -- */
/*
 * How readily a channel gives its place to another: 0 if it must not, 1 if it has begun a request or a
 * handshake and not gone on with it for WEIR_EVICT_STALLED_MS, 2 if it is idle.
 */
unsigned channel_yields(const struct weir_channel *channel);
/* Ends the channel at once, as its time limit would: the protocol says its last words. */
void channel_yield(struct weir_channel *channel);
void channel_arm(struct weir_channel *channel);

#endif
