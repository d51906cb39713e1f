/*
 * The relay, for the files of this folder.
 *
 *   relay.c          settings, claiming messages, life
 *   relay_session.c  connections to the smart host, and its addresses
 *   relay_job.c      a claimed message: results, notifications, requeueing
 *   dsn.c            the text of a notification
 */
#ifndef WEIR_RELAY_STATE_H
#define WEIR_RELAY_STATE_H

#include <weir/buffer.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/metrics.h>
#include <weir/smtp_relay.h>

#include "refcount.h"

/* -- dsn.c: composing a delivery status notification (RFC 3464) -------------------------------- */

enum dsn_kind {
	DSN_FINAL,   /* about recipients whose state is FAILED or SENT */
	DSN_DELAYED, /* about WAITING recipients whose sender wants it */
};

struct dsn {
	enum dsn_kind kind;
	const struct weir_queued *queued;
	const char *host; /* our name */
	const char *next; /* the name of the smart host */
	int64_t now_s;
	int64_t until_s; /* DSN_DELAYED: when the relay will give up */
};

/*
 * Whether the notification needs SMTPUTF8: only if the sender's address does. Otherwise it is
 * ASCII.
 */
bool dsn_needs_utf8(const struct dsn *dsn);

/* Whether the notification is about this recipient. */
bool smtp_dsn_is_about(const struct dsn *dsn, const struct weir_queued_recipient *recipient);

/*
 * Composes the whole message in *text. Reads the original's file; blocks. Returns 0, WEIR_E_LIMIT,
 * -ENOMEM or -EIO.
 */
int smtp_dsn_compose(const struct dsn *dsn, struct weir_buffer *text);

/* -- the relay --------------------------------------------------------------------------------- */

enum {
	RELAY_ADDRESSES = 8 /* of the smart host */
};

/* The options, which a reload replaces. */
struct relay_settings {
	struct local_refcount references;
	struct weir_smtp_relay_options options; /* strings in `text` */
	char text[];
};

enum {
	RELAY_OUTCOMES = WEIR_RELAY_UNREPORTED + 1,
};

/* The cells of all relays of a loop. */
struct relay_cells {
	uint64_t outcomes[RELAY_OUTCOMES]; /* by enum weir_relay_outcome */
};

struct weir_smtp_relay {
	struct weir_loop *loop;
	struct relay_cells *cells;
	struct weir_mail_queue *queue;
	struct relay_settings *settings;
	struct weir_timer timer; /* runs until the next message is due */
	struct weir_list sessions;
	struct weir_list waiting; /* jobs without a session */
	unsigned jobs;            /* claimed or being claimed; no more than connections */
	unsigned session_count;
	int64_t down_until_s;              /* the smart host is unavailable: claim nothing before */
	struct weir_resolver *resolver;    /* its own, or NULL */
	struct weir_resolving *resolution; /* under way, or NULL */
	struct weir_address addresses[RELAY_ADDRESSES];
	unsigned address_count;
	int64_t resolved_s; /* when the addresses were found */
	bool draining;
	struct weir_timer deadline;
	struct weir_task finish;
	weir_smtp_relay_drained_fn *drained;
	void *drained_context;
};

/* A claimed message. */
struct relay_job {
	struct weir_list link; /* in the relay's `waiting`, or empty */
	struct weir_smtp_relay *relay;
	struct relay_settings *settings;
	struct weir_queued *queued;
	struct weir_mail_envelope envelope; /* of the pending recipients */
	struct weir_mail_recipient *recipients;
	size_t *indices; /* index in `queued` of each recipient */
	struct weir_smtp_mail mail;
};

/* -- relay.c ----------------------------------------------------------------------------------- */

/* Claims the messages that are due, as long as there is room. */
void smtp_relay_claim_due(struct weir_smtp_relay *relay);

/* A job has ended and has been freed. */
void smtp_relay_job_gone(struct weir_smtp_relay *relay);
void smtp_relay_release(struct relay_settings *settings);

/* -- relay_job.c ------------------------------------------------------------------------------- */

void smtp_relay_job_begin(struct weir_smtp_relay *relay, struct weir_queued *queued);

/*
 * Records the result of recipient `index` of job->envelope. `has_dsn`: the server sends
 * notifications itself.
 */
void smtp_relay_job_result(
        struct relay_job *job, size_t index, const struct weir_smtp_result *result, bool has_dsn);

/* The attempt has ended: notifies the sender and requeues. */
void smtp_relay_job_end(struct relay_job *job);

/* Requeues the message as it is now, and frees the job. */
void smtp_relay_job_requeue(struct relay_job *job);

/* The attempt could not be made: all recipients have this result. */
void smtp_relay_job_fail(struct relay_job *job, const struct weir_smtp_result *why);

/* -- relay_session.c --------------------------------------------------------------------------- */

/* Finds a session for the jobs that wait, or opens one. */
void smtp_relay_sessions_feed(struct weir_smtp_relay *relay);

/*
 * The claim of a job is about to end: requeues it, unless it is not being sent any more. A session
 * that sends it is aborted. If only the last reply is missing, that comes before the claim ends.
 */
void smtp_relay_sessions_drop(struct weir_smtp_relay *relay, struct relay_job *job);

/* Ends the idle sessions. */
void smtp_relay_sessions_quit(struct weir_smtp_relay *relay);

/* Aborts all sessions; their jobs are requeued. */
void smtp_relay_sessions_abort(struct weir_smtp_relay *relay);

/* If it is under way: starts again with the present settings; cancels it. */
void smtp_relay_resolve_anew(struct weir_smtp_relay *relay);
void smtp_relay_resolve_cancel(struct weir_smtp_relay *relay);

#endif
