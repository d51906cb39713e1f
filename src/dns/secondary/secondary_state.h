/* Secondaries, from inside. */
#ifndef WEIR_DNS_SECONDARY_STATE_H
#define WEIR_DNS_SECONDARY_STATE_H

#include <pthread.h>

#include <weir/address.h>
#include <weir/dns_secondary.h>
#include <weir/dns_tsig.h>
#include <weir/loop.h>
#include <weir/network.h>

#include "zone_image.h"

/* -- secondary_fetch.c: one question to a primary, and its reply ------------------------------- */

/* One question to a primary, and its reply: by TCP (a fetch), or by UDP (a check). */

struct weir_loop;
struct dns_fetch;

/* Valid during the call. */
struct dns_fetched {
	int error;       /* 0, or what dns_incoming_message may answer, or of the connection */
	const char *why; /* a text about the error, or empty */
	unsigned rcode;  /* that the primary has sent, or 0 */
	bool connected;  /* the primary has answered something */
	bool current;    /* to IXFR: the primary has nothing later */
	uint32_t serial; /* that it has */
	uint64_t bytes;  /* received */
	struct weir_dns_zone *zone; /* valid during the callback; NULL: not asked for, or current */
};

struct dns_fetch_options {
	struct weir_address peer;
	const struct weir_dns_name *apex;    /* copied */
	uint16_t type;                       /* SOA, IXFR or AXFR */
	struct weir_dns_zone *before;        /* held; NULL with AXFR if there is none */
	bool any_version;                    /* AXFR may bring an older one */
	const struct weir_dns_tsig_key *key; /* copied; or NULL */
	uint64_t bytes_max;
	void (*done)(void *context, const struct dns_fetched *fetched);
	void *context;
};

/* Returns 0 or a negative errno. `done` is called once, from the loop. */
int dns_fetch_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_fetch **ret);

/* `done` is not called any more. NULL is allowed. */
void dns_fetch_abort(struct dns_fetch *fetch);

/* -- by UDP ------------------------------------------------------------------------------------ */

struct dns_check;

/*
 * Asks for the SOA record, WEIR_DNS_CHECK_TRIES times. `done` gets -ETIMEDOUT if there was no
 * reply, -EMSGSIZE if the reply was truncated.
 */
int dns_check_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_check **ret);
void dns_check_abort(struct dns_check *check);

/* -- secondaries ------------------------------------------------------------------------------- */

struct dns_zone_file_job;

/* The options, in memory of their own. */
struct dns_secondary_config {
	struct weir_dns_secondary_options options; /* with what it points to */
	struct weir_dns_tsig_key key;
	struct weir_address *primaries; /* in this memory, as the next */
	char *path;                     /* empty: not saved */
};

/* The addresses are the same, whatever the ports. */
static inline bool dns_same_host(const struct weir_address *a, const struct weir_address *b)
{
	uint8_t left[16], right[16];
	weir_address_bytes(a, left);
	weir_address_bytes(b, right);
	return memcmp(left, right, sizeof left) == 0;
}

enum secondary_state {
	SECONDARY_READING, /* its file */
	SECONDARY_RESTING, /* until the timer, or a NOTIFY */
	SECONDARY_CHECK_QUEUED,
	SECONDARY_CHECKING, /* by UDP */
	SECONDARY_FETCH_QUEUED,
	SECONDARY_FETCHING, /* by TCP */
};

struct dns_secondary {
	struct weir_list wait; /* for a permit, while queued */
	struct weir_dns_secondaries *owner;
	struct dns_secondary_config *config; /* guarded by the lock, as the next two */
	bool notified;
	struct weir_address notifier;
	bool goes_on; /* while options are set: it is among them */

	enum secondary_state state;
	struct weir_dns_zone *zone;  /* the last version; NULL: none yet */
	struct weir_dns_zone *shown; /* the zone that is served, or a placeholder; never NULL */
	int64_t confirmed_ms;        /* when a primary last confirmed the zone */
	struct weir_timer timer;     /* of resting */
	struct weir_timer expiry;

	/* A round: the primaries are asked one after the other, until one confirms. */
	unsigned primary;  /* that is asked */
	unsigned asked;    /* so many of them before it */
	uint16_t type;     /* of the fetch */
	bool again;        /* a NOTIFY came meanwhile: another round follows */
	unsigned failures; /* rounds in a row */
	int64_t round_ms;  /* when the last one began */
	struct dns_check *check;
	struct dns_fetch *fetch;

	struct dns_zone_file_job *file_job; /* on the pool; NULL: nothing */
	bool write_due, touch_due;
	bool unsaved; /* the last write failed */
};

/* Permits: how many checks, or fetches, may run at a time. */
struct dns_permits {
	unsigned free;
	struct weir_list waiting;
};

struct weir_dns_secondaries {
	struct weir_loop *loop;
	struct weir_dns_secondaries_options options;
	struct dns_secondary **all; /* by name; guarded by the lock, as the next */
	size_t count;
	struct dns_permits checks, fetches;
	struct weir_task start_queued; /* deferred */
	struct weir_task changed;      /* deferred */
	pthread_mutex_t lock;
	struct weir_task notify_task; /* posted while `notify_posted` */
	bool notify_posted;           /* guarded by the lock, as the next */
	bool gone;                    /* destroyed, and freed by that task */
};

/* -- secondary.c ------------------------------------------------------------------------------- */

void dns_secondary_log(struct dns_secondary *secondary, enum weir_dns_event_kind kind,
        const struct weir_address *peer, const struct dns_fetched *fetched);

/* The zone is this one from here on (held anew), confirmed so long ago. */
void dns_secondary_install(
        struct dns_secondary *secondary, struct weir_dns_zone *zone, int64_t age_ms);

/* A primary has just confirmed that the zone is current. */
void dns_secondary_confirm(struct dns_secondary *secondary);

static inline bool dns_secondary_expired(const struct dns_secondary *secondary)
{
	return secondary->zone && secondary->shown != secondary->zone;
}

/* -- secondary.c ------------------------------------------------------------------------------- */

/* Copies options. Returns NULL without memory. */
struct dns_secondary_config *dns_secondary_copy(const struct weir_dns_secondary_options *options);
void dns_secondary_free_config(struct dns_secondary_config *config);
bool dns_secondary_same(const struct dns_secondary_config *a, const struct dns_secondary_config *b);

/* -- secondary_refresh.c ----------------------------------------------------------------------- */

/* The numbers of the zone's SOA record within the options' bounds, in milliseconds. */
struct dns_intervals {
	int64_t refresh_ms, retry_ms, expire_ms;
};
struct dns_intervals dns_secondary_intervals(const struct dns_secondary *secondary);

/* A round begins, with this primary. */
void dns_secondary_begin(struct dns_secondary *secondary, unsigned primary);

/* Ends the round that is under way, if there is one. */
void dns_secondary_cancel(struct dns_secondary *secondary);

/* Begins a round because of a NOTIFY (RFC 1996 3.11), or lets one follow that is under way. */
void dns_secondary_handle_notify(
        struct dns_secondary *secondary, const struct weir_address *notifier);

/* Starts queued checks and fetches, as far as there are permits. */
void dns_secondaries_start_queued(struct weir_task *task);

/* -- secondary_file.c -------------------------------------------------------------------------- */

/* Reads the file: at once, or on the pool; the round goes on then. */
void dns_secondary_read(struct dns_secondary *secondary, bool wait);

/* Writes what is due, if nothing is under way. */
void dns_secondary_save(struct dns_secondary *secondary);

/* The job on the pool, if there is one, ends without a word. */
void dns_secondary_forget(struct dns_secondary *secondary);

#endif
