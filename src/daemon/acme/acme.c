/*
 * Who orders, and when: the lock of the directory, the claim of the share, and the name that is due
 * first. The work for one name is in acme_job.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "acme_job.h"
#include "acme_proofs.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

enum {
	SLEEP_MAX_S = 60 * 60, /* the clock of the machine may be set meanwhile */
	BRING_S = 2,           /* until what is not published is brought */
};

static void acme_wait(struct acme *acme);

/* -- states ------------------------------------------------------------------------------------ */

static void acme_on_ask(struct weir_timer *timer)
{
	struct acme *acme = WEIR_CONTAINER(timer, struct acme, ask);
	weir_timer_start(acme->loop, timer, ACME_ASK_MS, acme_on_ask);
	acme->changed(acme->context);
}

void acme_use_ended(struct acme *acme, int result)
{
	if (result == 0)
		weir_timer_stop(&acme->ask);
}

/* Asks to use what was installed, now and again, until it is in use. */
static void acme_ask(struct acme *acme)
{
	acme_on_ask(&acme->ask);
}

static void acme_load_states(struct acme *acme)
{
	bool unnoted = false;
	for (size_t i = 0; i < acme->count; i++)
		if (acme_job_load(acme, &acme->jobs[i])) {
			acme_job_store(acme, &acme->jobs[i]);
			unnoted = true;
		}
	if (unnoted)
		acme_ask(acme);
}

/* -- orders of names that left ----------------------------------------------------------------- */

struct acme_sweep {
	struct acme *acme;
	unsigned left;
};

static bool acme_has_file(const struct acme *acme, const char *file)
{
	char known[ACME_NAME_SIZE + 16];
	for (size_t i = 0; i < acme->count; i++) {
		acme_store_file_of(acme->jobs[i].name, known, sizeof known);
		if (strcmp(known, file) == 0)
			return true;
	}
	return false;
}

static void acme_sweep_order(void *context, int directory, const char *file)
{
	struct acme_sweep *sweep = context;
	const struct acme *acme = sweep->acme;
	char path[ACME_PATH_SIZE];
	(void)directory;
	if (sweep->left == 0 ||
	        snprintf(path, sizeof path, ACME_ORDERS "/%s", file) >= (int)sizeof path ||
	        acme_now_s(acme) - acme_store_written_ns(acme->store, path) / 1000000000 <
	                ACME_ORDER_KEPT_S ||
	        acme_has_file(acme, file))
		return;
	sweep->left--;
	acme_store_remove(acme->store, path);
}

/* The claim must be there: the others remove what the rows lack. */
static void acme_sweep_orders(struct acme *acme)
{
	struct acme_sweep sweep = {acme, ACME_ORDERS_SWEPT};
	acme_store_each(acme->store, ACME_ORDERS, acme_sweep_order, &sweep);
}

/* -- claims ------------------------------------------------------------------------------------ */

static void acme_on_published(void *context, int error, const char *why)
{
	struct acme *acme = context;
	if (error < 0)
		say("other front ends do not hear of the last order: %s", why);
	acme->brings = error < 0;
	acme->claims = false;
	acme_share_release(acme->share);
	acme_wait(acme);
}

/* Publishes what was changed, and gives the claim up. */
static void acme_end_claim(struct acme *acme)
{
	acme_share_publish(acme->share, acme_on_published, acme);
}

static struct acme_job *acme_first_due(struct acme *acme)
{
	struct acme_job *first = NULL;
	for (size_t i = 0; i < acme->count; i++)
		if (!first || acme->jobs[i].state.next_s < first->state.next_s)
			first = &acme->jobs[i];
	return first;
}

static struct acme_job *acme_due(struct acme *acme)
{
	struct acme_job *job = acme_first_due(acme);
	return job && job->state.next_s <= acme_now_s(acme) ? job : NULL;
}

static void acme_on_time(struct weir_timer *timer);

static void acme_on_claim(void *context, int error, const char *why)
{
	struct acme *acme = context;
	if (error < 0) {
		acme->claims = false;
		if (!acme->said_waiting && error == -EBUSY)
			say_at(WEIR_LOG_INFO,
			        "another front end obtains certificates; this one waits");
		else if (!acme->said_waiting)
			say("no certificates are obtained: %s", why);
		acme->said_waiting = true;
		weir_timer_start(acme->loop, &acme->timer, ACME_LOCK_MS, acme_on_time);
		return;
	}
	acme->said_waiting = false;
	if (acme->share->type->reloads)
		acme_load_states(acme);
	acme_sweep_orders(acme);
	/* Another front end may have done it. */
	struct acme_job *job = acme_due(acme);
	if (job)
		acme_job_begin(acme, job);
	else
		acme_end_claim(acme);
}

static void acme_on_time(struct weir_timer *timer)
{
	struct acme *acme = WEIR_CONTAINER(timer, struct acme, timer);
	if (!acme_due(acme) && !acme->brings) {
		acme_wait(acme);
		return;
	}
	acme->claims = true;
	acme_share_claim(acme->share, acme_on_claim, acme);
}

static void acme_wait(struct acme *acme)
{
	const struct acme_job *job = acme_first_due(acme);
	int64_t left_s = job ? job->state.next_s - acme_now_s(acme) : SLEEP_MAX_S;
	left_s = max_of(acme->brings ? min_of(left_s, (int64_t)BRING_S) : left_s, (int64_t)0);
	weir_timer_start(acme->loop, &acme->timer, min_of(left_s, (int64_t)SLEEP_MAX_S) * 1000 + 1,
	        acme_on_time);
}

/* -- other front ends -------------------------------------------------------------------------- */

static void acme_on_shared(void *context, bool installed)
{
	struct acme *acme = context;
	if (installed)
		acme_ask(acme);
	if (acme->claims)
		return;
	acme_load_states(acme);
	acme_wait(acme);
}

/* The new holder of the claim may go on with this order (acme_saved_order.h). */
static void acme_on_lost(void *context)
{
	struct acme *acme = context;
	acme_job_cancel(acme);
	acme->claims = false;
	acme->brings = true;
	acme_load_states(acme);
	weir_timer_start(acme->loop, &acme->timer, ACME_LOCK_MS, acme_on_time);
}

static bool acme_is_shared(const struct acme *acme)
{
	return config_acme_is_shared(acme->config) && acme->config->store.database;
}

static int acme_share(struct acme *acme)
{
	struct acme_share_events events = {
	        .changed = acme_on_shared, .lost = acme_on_lost, .context = acme};
	return acme_is_shared(acme)
	               ? acme_share_create_database(
	                         acme->loop, acme->config, acme->store, &events, &acme->share)
	               : acme_share_create_files(acme->loop, acme->store, &acme->share);
}

/* -- the lock ---------------------------------------------------------------------------------- */

/* The process that has the lock may be of another server: what it installs is used here, too. */
static void acme_follow_installed(struct acme *acme)
{
	bool changed = false;
	for (size_t i = 0; i < acme->count; i++) {
		struct acme_job *job = &acme->jobs[i];
		int64_t now_ns = acme_store_installed_ns(acme->store, job->name);
		changed |= now_ns != job->installed_ns;
		job->installed_ns = now_ns;
	}
	if (changed)
		acme_ask(acme);
}

static void acme_on_lock(struct weir_timer *timer)
{
	struct acme *acme = WEIR_CONTAINER(timer, struct acme, timer);
	int error = acme_store_lock(acme->store);
	if (error < 0) {
		if (!acme->said_waiting && error == -EWOULDBLOCK)
			say_at(WEIR_LOG_INFO,
			        "another process obtains certificates in %s; this one waits",
			        acme->section->directory);
		else if (!acme->said_waiting)
			say("cannot lock %s: %s", acme->section->directory, weir_error_text(error));
		acme->said_waiting = true;
		acme_follow_installed(acme);
		weir_timer_start(acme->loop, timer, ACME_LOCK_MS, acme_on_lock);
		return;
	}
	error = acme_share(acme);
	if (error < 0) {
		say("cannot obtain certificates: %s", weir_error_text(error));
		return;
	}
	acme->locked = true;
	acme->said_waiting = false;
	/* Proofs that are shared are those of the holder, which counts them: acme_rows_bring. */
	if (acme_is_shared(acme))
		acme_store_clear(acme->store, ACME_CHALLENGES);
	else
		acme_proofs_clear(acme->store);
	acme_load_states(acme);
	acme_wait(acme);
}

/* -- life -------------------------------------------------------------------------------------- */

static int acme_fill(struct acme *acme)
{
	acme->count = acme->section->managed.count;
	acme->jobs = calloc(acme->count + 1, sizeof *acme->jobs);
	if (!acme->jobs)
		return -ENOMEM;
	int error = acme_store_open(acme->section->directory, &acme->store);
	for (size_t i = 0; i < acme->count; i++) {
		struct acme_job *job = &acme->jobs[i];
		job->name = acme->section->managed.items[i];
		if (error == 0)
			job->installed_ns = acme_store_installed_ns(acme->store, job->name);
	}
	return error;
}

int acme_create(struct weir_loop *loop, struct config *config, void (*changed)(void *context),
        void *context, struct acme **ret)
{
	struct acme *acme = calloc(1, sizeof *acme);
	int error = acme ? 0 : -ENOMEM;
	if (error == 0) {
		acme->loop = loop;
		acme->config = config_hold(config);
		acme->section = &config->acme;
		acme->changed = changed;
		acme->context = context;
		acme->installed = acme_ask;
		acme->ended = acme_end_claim;
		weir_list_init(&acme->timer.link);
		weir_list_init(&acme->ask.link);
		error = acme_fill(acme);
	}
	if (error < 0) {
		say("cannot obtain certificates in %s: %s", config->acme.directory,
		        weir_error_text(error));
		acme_destroy(acme);
		return error;
	}
	weir_timer_start(loop, &acme->timer, 1, acme_on_lock);
	*ret = acme;
	return 0;
}

static void acme_cancel(struct acme *acme)
{
	weir_timer_stop(&acme->timer);
	weir_timer_stop(&acme->ask);
	acme_job_cancel(acme);
}

static void acme_on_stopped(void *context, int error, const char *why)
{
	struct acme *acme = context;
	(void)error, (void)why; /* the lease ends by itself then */
	acme->stopped(acme->stopped_context);
}

bool acme_stop(struct acme *acme, void (*stopped)(void *context), void *context)
{
	acme_cancel(acme);
	if (!acme->share)
		return false;
	acme->stopped = stopped;
	acme->stopped_context = context;
	acme_share_stop(acme->share, acme_on_stopped, acme);
	return true;
}

void acme_destroy(struct acme *acme)
{
	if (!acme)
		return;
	acme_cancel(acme);
	for (size_t i = 0; i < CONFIG_AUTHORITIES_MAX; i++)
		acme_session_destroy(acme->sessions[i]);
	acme_share_destroy(acme->share);
	acme_store_close(acme->store);
	config_release(acme->config);
	free(acme->jobs);
	free(acme);
}
