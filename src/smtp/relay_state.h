/* The relay's state, for relay*.c only. */
#ifndef WEIR_SMTP_RELAY_STATE_H
#define WEIR_SMTP_RELAY_STATE_H

#include <weir/buffer.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/smtp_relay.h>

#include "dsn.h"

enum {
	RELAY_ADDRESSES = 8 /* of the smart host, that are tried in turn */
};

/* What a reload replaces whole; counted, on the relay's loop. */
struct relay_settings {
	unsigned references;
	struct weir_smtp_relay_options options; /* texts in `text`, no zeros */
	char text[];
};

struct weir_smtp_relay {
	struct weir_loop *loop;
	struct weir_mail_queue *queue;
	struct relay_settings *settings;
	struct weir_timer timer; /* to the next that is due */
	struct weir_list sessions;
	struct weir_list waiting; /* jobs without a session */
	unsigned jobs;            /* taken or being taken: no more than connections */
	unsigned session_count;
	int64_t down_until_s;           /* the smart host cannot be had: nothing is taken before */
	struct weir_resolver *resolver; /* its own, or NULL */
	struct weir_resolving *resolution; /* under way, or NULL */
	struct weir_address addresses[RELAY_ADDRESSES];
	unsigned address_count;
	int64_t resolved_s; /* when they were found */
	bool draining;
	struct weir_timer deadline;
	struct weir_task finish;
	void (*drained)(void *context);
	void *drained_context;
};

/* A message that was taken. */
struct relay_job {
	struct weir_list link;
	struct weir_smtp_relay *relay;
	struct relay_settings *settings;
	struct weir_queued *queued;
	struct weir_mail_envelope envelope; /* of those who still wait */
	struct weir_mail_recipient *recipients;
	size_t *indices; /* in queued, of each */
	struct weir_smtp_mail mail;
};

/* -- relay.c ----------------------------------------------------------------------------------- */

/* Takes what is due, as far as there is room. */
void smtp_relay_kick(struct weir_smtp_relay *relay);

/* A job is over; it has been freed. */
void smtp_relay_job_gone(struct weir_smtp_relay *relay);
void smtp_relay_release(struct relay_settings *settings);

/* -- relay_job.c ------------------------------------------------------------------------------- */

void smtp_relay_job_begin(struct weir_smtp_relay *relay, struct weir_queued *queued);

/* What became of recipient `index` of job->envelope; `told` by a server that tells of delivery. */
void smtp_relay_job_result(
        struct relay_job *job, size_t index, const struct weir_smtp_result *result, bool told);

/* Tried: reports, then back into the queue. */
void smtp_relay_job_end(struct relay_job *job);

/* It could not even be tried. */
void smtp_relay_job_fail(struct relay_job *job, const struct weir_smtp_result *why);

/* -- relay_report.c ---------------------------------------------------------------------------- */

/* Composes and delivers; `done(job, error)` from the loop. */
void smtp_relay_report(struct relay_job *job, enum dsn_kind kind, int64_t until_s,
        void (*done)(struct relay_job *job, enum dsn_kind kind, int error));

/* -- relay_session.c --------------------------------------------------------------------------- */

/* Finds a connection for those that wait, or makes one. */
void smtp_relay_sessions_feed(struct weir_smtp_relay *relay);

/* What idles says good-bye. */
void smtp_relay_sessions_quit(struct weir_smtp_relay *relay);

/* All are cut off; their jobs come back. */
void smtp_relay_sessions_abort(struct weir_smtp_relay *relay);

/* -- relay_resolve.c --------------------------------------------------------------------------- */

/* Looks the host up; smtp_relay_resolved follows from the loop, unless it is under way already. */
int smtp_relay_resolve(struct weir_smtp_relay *relay);

/* If it is under way: of other settings now; not any more. */
void smtp_relay_resolve_anew(struct weir_smtp_relay *relay);
void smtp_relay_resolve_cancel(struct weir_smtp_relay *relay);

/* In relay_session.c. */
void smtp_relay_resolved(struct weir_smtp_relay *relay, int error, const char *text);

#endif
