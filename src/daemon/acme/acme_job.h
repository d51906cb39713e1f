/* The state of acme.h, and the job of one name, for acme.c and acme_job.c. */
#ifndef DAEMON_ACME_JOB_H
#define DAEMON_ACME_JOB_H

#include "acme.h"
#include "acme_session.h"
#include "acme_state.h"

struct acme_job {
	const char *name;
	struct acme_state state;
	int64_t installed_ns; /* the version that is in use, while another process has the lock */
};

/* Invariant: `job` is the name whose order is under way; it is NULL while the timer waits. */
struct acme {
	struct weir_loop *loop;
	struct config *config; /* held */
	const struct config_acme *section;
	struct acme_store *store;
	struct acme_share *share;
	struct weir_timer timer; /* of the lock, and of the next name */
	struct acme_session *sessions[CONFIG_AUTHORITIES_MAX];
	struct acme_job *jobs;
	size_t count;
	struct acme_job *job;
	const struct config_authority *authority; /* of the job */
	struct acme_session *session;             /* with that authority */
	struct acme_order *order;                 /* of the job; or NULL */
	void (*installed)(struct acme *acme);     /* a certificate: it is to be used */
	void (*ended)(struct acme *acme);         /* the job */
	void (*changed)(void *context);
	void *context;
	struct weir_timer ask; /* asks again to use what was installed */
	bool locked;
	bool said_waiting; /* for the lock, or for a claim */
	bool claims;       /* a claim was asked for, and was not released */
	bool brings;       /* a claim was lost: what is here may not be published */
	void (*stopped)(void *context);
	void *stopped_context;
};

static inline int64_t acme_now_s(const struct acme *acme)
{
	return weir_loop_wall_s(acme->loop);
}

/*
 * Reads the state of a name. A certificate that the state does not know was installed by a process
 * that ended before it could note that: it counts, and may not be in use yet. Returns true then.
 */
bool acme_job_load(struct acme *acme, struct acme_job *job);
void acme_job_store(struct acme *acme, const struct acme_job *job);

/* Begins with the name. The claim must be there. It ends in acme->ended. */
void acme_job_begin(struct acme *acme, struct acme_job *job);

/* Cancels the job that is under way, if there is one. */
void acme_job_cancel(struct acme *acme);

#endif
