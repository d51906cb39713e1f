/*
 * The parts of a channel, for the files of this folder.
 *
 *   input.c     receives, cuts, calls the protocol; or the protocol takes it from the socket
 *   reply.c     the queue of replies
 *   flush.c     asks the producers of the replies, and sends their output
 *   proxy.c     the PROXY header: whom the peer is for
 *   policy.c    which peers are served, and how much of each
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
#include <weir/policy.h>
#include <weir/server.h>
#include <weir/transport.h>

#include "channel_metrics.h"

/* The shared state of the channels of a server on one loop, or of one outgoing channel. */
struct channel_group {
	struct weir_loop *loop;
	const struct weir_protocol *protocol;
	void *context;
	struct weir_bounds bounds;
	struct weir_list channels; /* in the order of their last activity, to the second */
	unsigned count;
	bool draining;
	bool retiring;                 /* another process has the listener */
	unsigned reserved;             /* channels that need no shared permit */
	struct permits_member *member; /* or NULL: without permits */
	struct weir_list member_link;
	void (*channel_gone)(struct channel_group *group); /* one was freed; may free the group */
	struct weir_counters *counters;                    /* of the loop */
	struct channel_cells *cells;                       /* never NULL */

	const struct weir_listener *listener; /* of a server; or NULL */
	struct weir_tls *tls;        /* from the first byte, or NULL; borrowed from the listener */
	const char *tls_refusal;     /* sent in clear to clients that do not speak TLS */
	struct weir_list handshakes; /* that have begun, the oldest first (secure.c) */
	unsigned handshake_count;
	unsigned steps; /* of handshakes, in the turn steps_turn */
	uint64_t steps_turn;
};

enum reply_state {
	REPLY_OPEN,    /* not filled yet */
	REPLY_READY,   /* its producer may be asked */
	REPLY_WAITING, /* its producer will wake the channel */
	REPLY_DONE,    /* its producer has put everything; some bytes may not be sent yet */
	REPLY_FAILED,  /* its producer has failed: the channel ends when the bytes are sent */
};

struct weir_reply {
	struct weir_waiter waiter;
	struct weir_reply *next;        /* a ring: the last one's is the first */
	struct weir_channel *channel;   /* NULL if it has closed: only weir_reply_fill follows */
	struct weir_producer *producer; /* NULL while open */
	uint64_t end;                   /* the value of channel->sent when its last byte is sent */
	enum reply_state state;
	bool woken; /* during the call of its producer */
};

/* Output that the kernel did not take: pieces, and behind them a copy of their scratch. */
struct remainder {
	unsigned first;
	unsigned count;
	struct weir_piece pieces[];
};

/*
 * The life of a channel. channel_enter() is the one way into a phase.
 *
 *                  accept from a proxy ─▶ PROXIED ── the header is complete: as if accepted now
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
	CHANNEL_PROXIED,    /* the PROXY header is awaited */
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
	INPUT_END_REPORTED, /* the protocol knows that */
	INPUT_END_LAST = INPUT_END_REPORTED,
};

/* Input that somebody else takes from the socket (input.c). */
enum diversion {
	DIVERT_NONE,
	DIVERT_FIRST_BYTE, /* the first byte is awaited */
	DIVERT_GATHERING,  /* the kernel reports when there is enough */
	DIVERT_SPLICED,    /* channel_splice takes it; each byte is reported at once */
	DIVERSION_LAST = DIVERT_SPLICED,
};

/* How much the kernel may hold unsent: WEIR_UNSENT_LOW, … */
enum unsent {
	UNSENT_LOW,
	UNSENT_HIGH,
	UNSENT_FILE,
	UNSENT_LAST = UNSENT_FILE,
};

enum timing {
	TIMING_NONE, /* the peer waits for us */
	TIMING_IDLE,
	TIMING_REQUEST,
	TIMING_BODY,
	TIMING_OUTPUT,
	TIMING_LINGER,
	TIMING_CONNECT,
	TIMING_HANDSHAKE,
	TIMING_GATHER,
	TIMING_PROXY,
	TIMING_LAST = TIMING_PROXY,
};

/* Bits of a channel that hold an enum. */
#define UNSENT_BITS 2
#define TIMING_BITS 4
#define PHASE_BITS 4
#define INPUT_END_BITS 2
#define DIVERSION_BITS 2
#define READS_BITS 2
_Static_assert(UNSENT_LAST < 1 << UNSENT_BITS, "enum unsent does not fit into its bits");
_Static_assert(TIMING_LAST < 1 << TIMING_BITS, "enum timing does not fit into its bits");
_Static_assert(CHANNEL_PHASE_LAST < 1 << PHASE_BITS, "enum channel_phase does not fit its bits");
_Static_assert(INPUT_END_LAST < 1 << INPUT_END_BITS, "enum input_end does not fit into its bits");
_Static_assert(WEIR_READS_LAST < 1 << READS_BITS, "enum weir_reads does not fit into its bits");
_Static_assert(DIVERSION_LAST < 1 << DIVERSION_BITS, "enum diversion does not fit into its bits");
_Static_assert((WEIR_READABLE | WEIR_WRITABLE | WEIR_BROKEN | WEIR_HANGUP) <= UINT8_MAX,
        "enum weir_event does not fit into a byte");

/* An idle connection has this struct and nothing else, so its size matters. */
struct weir_channel {
	struct weir_watch watch;
	struct channel_group *group;
	struct weir_transport *transport;
	void *session;
	struct weir_list link; /* in group->channels */
	struct weir_timer timer;
	struct weir_task task; /* runs process() */

	struct weir_cutter cutter; /* of the input */

	struct weir_reply *last; /* of the ring of replies; NULL when there is none */
	struct remainder *remainder;
	uint64_t sent; /* bytes that the transport has taken */

	/* Both are low bits of the clock. */
	uint32_t progress_at_ms; /* when the last byte was received or sent */
	uint32_t request_at_ms;  /* when the request began; streamed bytes move it forward */
	int error;               /* for close() */
	struct weir_address peer;
	uint32_t reply_count;

	uint8_t events;                     /* watched now: enum weir_event */
	uint8_t unsent : UNSENT_BITS;       /* enum unsent */
	uint8_t timing : TIMING_BITS;       /* enum timing of the running timer */
	uint8_t phase : PHASE_BITS;         /* enum channel_phase */
	uint8_t input_end : INPUT_END_BITS; /* enum input_end */
	uint8_t diversion : DIVERSION_BITS; /* enum diversion */
	uint8_t reads : READS_BITS;         /* enum weir_reads */
	bool opened : 1;                    /* open() was called: close() is due */
	bool busy : 1;                      /* in process() or a callback */
	bool paused : 1;                    /* by the protocol */
	bool expects_body : 1;              /* weir_channel_expect_body */
	bool blocked : 1;                   /* the transport takes nothing now */
	bool drained_reported : 1;          /* drained() was called since the last reply */
	bool reset_on_failure : 1;          /* weir_channel_reset_on_failure */
	bool notify_drain : 1;              /* weir_channel_notify_drain */
	bool read_after_failure : 1;        /* weir_channel_read_after_failure */
	bool abort_at_end : 1;              /* weir_channel_abort_at_end */
	bool counted : 1;                   /* among the peers of the listener */
	bool over_rate : 1;                 /* connections of this peer came too fast */
	bool unread : 1;                    /* input was left when the channel began to close */
	bool reset : 1;                     /* CHANNEL_DEAD ends with a reset */
	uint16_t listed; /* the second in which it went to the end of group->channels */
	uint32_t number; /* of weir_channel_id */
};

/* An idle connection may have 256 bytes, with the overhead of malloc and its transport. */
_Static_assert(
        sizeof(struct weir_channel) <= 232, "a channel is larger than an idle client may be");

/* -- channel.c -- */

/*
 * A channel for a connected (or, `connecting`) socket; NULL without memory or watch (*ret_error).
 * The descriptor is taken only on success.
 */
struct weir_channel *channel_create(struct channel_group *group, int fd,
        const struct weir_address *peer, bool connecting, int *ret_error);
/* An outgoing channel is connected. */
void channel_start(struct weir_channel *channel);
void channel_schedule(struct weir_channel *channel);
/* The task that channel_schedule defers. */
void channel_task(struct weir_task *task);
/* Frees a dead channel at once; not while it is busy. */
void channel_destroy(struct weir_channel *channel);
/* The phase's own consequences follow; from CHANNEL_CLOSING on, no earlier phase comes back. */
void channel_enter(struct weir_channel *channel, enum channel_phase phase);
/*
 * The peer of an accepted channel is known: counts it among those of the listener, and begins TLS
 * or opens the protocol. `readable`: the socket may have input.
 */
void channel_admit(struct weir_channel *channel, bool readable);
/* Enters CHANNEL_DEAD; `error` is for close(). */
void channel_kill(struct weir_channel *channel, int error, bool reset);
uint32_t channel_clock(const struct weir_channel *channel);
/* No request has begun and no reply is due: the channel may be closed without harm. */
bool channel_idle(const struct weir_channel *channel);

static inline bool channel_dead(const struct weir_channel *channel)
{
	return channel->phase == CHANNEL_DEAD;
}

/* -- listener.c -- */
/* Returns false if no request could ever be received or answered within the bounds. */
bool channel_bounds_work(const struct weir_bounds *bounds);
/* The group has its loop and bounds. */
void channel_group_init(struct channel_group *group);
/* Opens a socket that listens. Returns it, and its address, or a negative errno. */
int channel_open_listener(const struct weir_listener *listener, struct weir_address *ret_address);

/* -- input.c -- */

extern const struct weir_cutter_type channel_cutter_type;
bool channel_input_wanted(const struct weir_channel *channel);
/*
 * Receives once into the loop's buffer and returns the number of bytes, or 0. Handles the end of
 * the input and errors.
 */
size_t channel_input_receive(struct weir_channel *channel, char *buffer);
/* Saves the rest of the region, or drops it if the channel closes. */
void channel_input_end(struct weir_channel *channel, const struct weir_region *region);
void channel_input_report_eof(struct weir_channel *channel);
/* Counts received bytes of streamed input. */
void channel_input_note(struct weir_channel *channel, size_t size);

/* Diverted: the socket has input, or its end, for the protocol. */
void channel_divert_readable(struct weir_channel *channel);
/* The gathering time has passed. */
void channel_divert_gathered(struct weir_channel *channel);

/* -- reply.c -- */
struct weir_reply *channel_reply_first(const struct weir_channel *channel);
void channel_replies_pop_sent(struct weir_channel *channel);
void channel_replies_abandon(struct weir_channel *channel, enum weir_close_reason why);

/* -- flush.c -- */
/*
 * Sends until channel->sent reaches `until`. Then it returns false, and the channel continues in
 * the next turn, after the other channels.
 */
bool channel_flush(struct weir_channel *channel, uint64_t until);

/* The transport takes no more: ends the channel, or has it read on if the protocol wants that. */
void channel_flush_fail(struct weir_channel *channel, int error);

/* -- proxy.c -- */
/* Whether the channel, which was just accepted, has to begin with a PROXY header. */
bool channel_proxy_expected(const struct weir_channel *channel);
/* Returns true if the header is awaited and the proxy has sent no byte. */
bool channel_proxy_silent(const struct weir_channel *channel);
/* The socket is readable. Returns true when the header is complete, and channel->peer set. */
bool channel_proxy_step(struct weir_channel *channel);
/* The header is malformed, or took too long: reports that, and ends the channel. */
void channel_proxy_fail(struct weir_channel *channel, int error);

/* -- secure.c -- */
/* Begins TLS with the first byte, if the group has it. Returns 0 or -ENOMEM. */
int channel_secure_begin(struct weir_channel *channel);
/* Returns true if the peer has to begin the handshake and has sent no byte. */
bool channel_secure_silent(const struct weir_channel *channel);
/* The last reply in clear has left. */
void channel_secure_upgrade(struct weir_channel *channel);
/* Continues the handshake. Returns true when it is complete. */
bool channel_secure_step(struct weir_channel *channel);
/* The handshake has failed or took too long: reports that, and closes the channel. */
void channel_secure_fail(struct weir_channel *channel, int error);
/* The handshake waits for a signature, and not for the peer. */
bool channel_secure_waits(const struct weir_channel *channel);
/* The upgrade or handshake has ended. */
void channel_secure_end(struct weir_channel *channel);
/* `size` bytes of input came in clear after the upgrade was asked for. */
void channel_secure_drop(struct weir_channel *channel, size_t size);

/* -- permits.c -- */
/* For a server: it uses the permits of its bounds. Returns 0 or -ENOMEM. */
int permits_join(struct channel_group *group);
/* All channels of the group have closed. */
void permits_leave(struct channel_group *group);
/* Whether the group may have one channel more. */
bool permits_available(const struct channel_group *group);
/* group->count has grown by one, or shrunk by one. */
void permits_channel_opened(struct channel_group *group);
void permits_channel_closed(struct channel_group *group);
/*
 * Closes the channel that has been idle longest: of this group if it has reached its own bound,
 * else of all groups on this loop that share its permits. Returns false if no channel can be
 * closed; another loop is asked to close one then.
 */
bool permits_make_room(struct channel_group *group);
/* Counts the connection among the peers of the listener, if their number is bounded. */
void channel_count_peer(struct weir_channel *channel);

/* -- timeout.c -- */
/*
 * Whether a channel can be closed for another one: 0 no; 1 if its request or handshake has stalled
 * for WEIR_EVICT_STALLED_MS; 2 if it is idle.
 */
unsigned channel_eviction_rank(const struct weir_channel *channel);
/* Ends the channel at once, as its time limit would: the protocol may push a goodbye. */
void channel_evict(struct weir_channel *channel);
void channel_arm(struct weir_channel *channel);

#endif
