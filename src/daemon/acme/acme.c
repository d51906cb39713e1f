/*
 * Invariant: `job` is the name whose order is under way, and NULL while the timer waits for the
 * next. Whatever an authority does ends in acme_end_job, which sets when the name is due again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "acme.h"
#include "acme_order.h"
#include "acme_state.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

enum {
	SLEEP_MAX_S = 60 * 60, /* the clock of the machine may be set meanwhile */
};

struct acme_job {
	const char *name;
	struct acme_state state;
	int64_t installed_ns; /* the version that is in use, while another process has the lock */
};

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
	struct acme_session *session; /* of the job */
	struct acme_order *order;     /* of the job; or NULL */
	void (*changed)(void *context);
	void *context;
	struct weir_timer ask; /* asks again to use what was installed */
	bool locked;
	bool said_waiting; /* for the lock, or for a claim */
	bool claims;       /* a claim was asked for, and was not released */
};

static void acme_wait(struct acme *acme);

/* -- times ------------------------------------------------------------------------------------- */

static int64_t acme_now_s(const struct acme *acme)
{
	return weir_loop_wall_s(acme->loop);
}

/* A number from 0 up to `bound`. */
static int64_t acme_random(int64_t bound)
{
	uint64_t bits = 0;
	if (bound <= 0 || getrandom(&bits, sizeof bits, 0) != sizeof bits)
		return 0;
	return (int64_t)(bits % (uint64_t)(bound + 1));
}

/*
 * The pause behind a number of failures. All authorities are tried one after the other before there
 * is one.
 */
static int64_t acme_pause_s(const struct acme *acme, uint64_t failures)
{
	size_t count = acme->section->authorities.count;
	int64_t first_s = (int64_t)(acme->section->retry_ms / 1000), pause_s = first_s;
	uint64_t rounds = failures / count;
	if (failures % count)
		return 0;
	for (uint64_t i = 1; i < rounds && pause_s < ACME_RETRY_MAX_S; i++)
		pause_s *= 2;
	pause_s = min_of(pause_s, (int64_t)ACME_RETRY_MAX_S);
	return pause_s + acme_random(pause_s / 2);
}

/* Two thirds of the time, or up to a twentieth of it earlier. */
static int64_t acme_renew_s(const struct acme_chain *chain)
{
	int64_t lifetime_s = chain->expires_s - chain->begins_s;
	return chain->begins_s + lifetime_s * 2 / 3 - acme_random(lifetime_s / 20);
}

/* -- states ------------------------------------------------------------------------------------ */

static void acme_store_state(struct acme *acme, const struct acme_job *job)
{
	char file[ACME_NAME_SIZE + 16], path[ACME_PATH_SIZE];
	struct weir_buffer text = {0};
	acme_store_file_of(job->name, file, sizeof file);
	snprintf(path, sizeof path, ACME_STATES "/%s", file);
	int error = acme_state_print(&job->state, &text);
	if (error == 0)
		error = acme_store_write(acme->store, path, weir_buffer_span(&text));
	weir_buffer_finish(&text);
	if (error < 0)
		say("the state of the certificate for %s cannot be stored in %s: %s", job->name,
		        acme->section->directory, weir_error_text(error));
}

/* Whether a certificate for the name, which belongs to its key, is installed. */
static bool acme_read_installed(
        const struct acme *acme, const struct acme_job *job, struct acme_chain *ret)
{
	struct weir_buffer chain = {0}, pem = {0};
	bool good = acme_store_read_installed(acme->store, job->name, &chain, &pem) == 0 &&
	            acme_pair_check(weir_buffer_span(&chain), weir_buffer_span(&pem), job->name,
	                    acme_now_s(acme), ret);
	buffer_erase(&pem);
	weir_buffer_finish(&chain);
	return good;
}

/* The state of a name whose certificate was just obtained. */
static struct acme_state acme_state_of(
        const struct acme *acme, const struct acme_chain *chain, const char *authority)
{
	struct acme_state state = {
	        .begins_s = chain->begins_s,
	        .expires_s = chain->expires_s,
	        .renew_s = acme_renew_s(chain),
	        .obtained_s = acme_now_s(acme),
	};
	text_copy(state.id, sizeof state.id, chain->id);
	text_copy(state.authority, sizeof state.authority, authority);
	/* The window of the authority is asked for soon. */
	state.next_s = min_of(state.renew_s, acme_now_s(acme) + ACME_WINDOW_MIN_S);
	return state;
}

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

/*
 * Reads the state of a name. A certificate that the state does not know was installed by a process
 * that ended before it could note that: so it counts, and may not be in use yet. Returns whether
 * that is so.
 */
static bool acme_load_state(struct acme *acme, struct acme_job *job)
{
	struct acme_chain chain;
	struct acme_state *state = &job->state;
	*state = (struct acme_state){0};
	acme_state_read(acme->section->directory, job->name, state);
	bool installed = acme_read_installed(acme, job, &chain);
	if (installed && chain.expires_s != state->expires_s) {
		const char *authority = acme->section->authorities.items[0].url;
		*state = acme_state_of(
		        acme, &chain, *state->authority ? state->authority : authority);
		return true;
	}
	if (!installed)
		state->renew_s = state->expires_s = 0;
	if (!installed && !state->failures)
		state->next_s = 0;
	return false;
}

static void acme_load_states(struct acme *acme)
{
	bool unnoted = false;
	for (size_t i = 0; i < acme->count; i++)
		if (acme_load_state(acme, &acme->jobs[i])) {
			acme_store_state(acme, &acme->jobs[i]);
			unnoted = true;
		}
	if (unnoted)
		acme_on_ask(&acme->ask);
}

/* -- the end of a job -------------------------------------------------------------------------- */

static void acme_on_published(void *context, int error, const char *why)
{
	struct acme *acme = context;
	if (error < 0)
		say("other front ends do not hear of the last order: %s", why);
	acme->claims = false;
	acme_share_release(acme->share);
	acme_wait(acme);
}

static void acme_end_claim(struct acme *acme)
{
	acme_share_publish(acme->share, acme_on_published, acme);
}

static void acme_end_job(struct acme *acme, int64_t next_s)
{
	acme->job->state.next_s = next_s;
	acme_store_state(acme, acme->job);
	acme->job = NULL;
	acme->order = NULL;
	acme_end_claim(acme);
}

static void acme_fail_job(struct acme *acme, const char *why, int64_t retry_after_s)
{
	struct acme_state *state = &acme->job->state;
	int64_t pause_s = acme_pause_s(acme, ++state->failures);
	pause_s = max_of(pause_s, retry_after_s);
	text_copy(state->why, sizeof state->why, why);
	say_at(state->renew_s && state->expires_s - acme_now_s(acme) > 7 * 24 * 60 * 60
	                ? WEIR_LOG_WARNING
	                : WEIR_LOG_ERROR,
	        "no certificate for %s from %s: %s; the next attempt is in %llds%s",
	        acme->job->name, acme_session_url(acme->session), why, (long long)pause_s,
	        state->renew_s ? ", and the old certificate stays" : "");
	acme_end_job(acme, acme_now_s(acme) + pause_s);
}

static void acme_on_order(void *context, const struct acme_order_end *end)
{
	struct acme *acme = context;
	struct acme_state *state = &acme->job->state;
	acme->order = NULL;
	if (end->account_lost)
		acme_session_forget_account(acme->session);
	if (end->why) {
		acme_fail_job(acme, end->why, end->retry_after_s);
		return;
	}
	*state = acme_state_of(acme, end->chain, acme_session_url(acme->session));
	say_at(WEIR_LOG_INFO, "a certificate for %s is there, from %s, for %lld days",
	        acme->job->name, state->authority,
	        (long long)((state->expires_s - acme_now_s(acme)) / 86400));
	/* First: a process that ends between the two finds what it did not note. */
	acme_on_ask(&acme->ask);
	acme_end_job(acme, state->next_s);
}

/* -- orders ------------------------------------------------------------------------------------ */

static void acme_order_job(struct acme *acme)
{
	const struct acme_state *state = &acme->job->state;
	size_t count = acme->section->authorities.count;
	const struct config_authority *authority =
	        &acme->section->authorities.items[state->failures % count];
	bool same = state->renew_s && strcmp(state->authority, authority->url) == 0;
	struct acme_order_options options = {
	        .loop = acme->loop,
	        .session = acme->session,
	        .share = acme->share,
	        .acme = acme->section,
	        .name = acme->job->name,
	        .profile = authority->profile,
	        .replaces = same && *state->id ? state->id : NULL,
	        .turn = (unsigned)(state->failures / count),
	        .end = acme_on_order,
	        .context = acme,
	};
	int error = acme_order_start(&options, &acme->order);
	if (error < 0)
		acme_fail_job(acme, weir_error_text(error), 0);
}

static void acme_on_rolled_over(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	if (acme_reply_is_good(reply))
		acme_order_job(acme);
	else
		acme_fail_job(acme, reply->why, reply->retry_after_s);
}

static void acme_on_session(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	char why[ACME_WHY_SIZE];
	if (acme_reply_is_good(reply)) {
		acme_session_roll_over(acme->session, (int64_t)(acme->section->key_age_ms / 1000),
		        acme_on_rolled_over, acme);
		return;
	}
	if (strcmp(reply->problem.type, "accountDoesNotExist") == 0)
		acme_session_forget_account(acme->session);
	snprintf(why, sizeof why, "the authority cannot be used: %s", reply->why);
	acme_fail_job(acme, why, reply->retry_after_s);
}

/* -- the window of renewal --------------------------------------------------------------------- */

/*
 * Chooses a time in the window. One that has begun, or is over, means now (RFC 9773 4.2). An
 * authority in error can neither let the certificate expire nor have one ordered without end: the
 * time is in the first nine tenths of the lifetime, and not while the certificate is young.
 */
static void acme_take_window(struct acme_state *state, const struct acme_renewal *window)
{
	int64_t tenth_s = (state->expires_s - state->begins_s) / 10;
	int64_t first_s = state->obtained_s + min_of(tenth_s, (int64_t)ACME_YOUNG_S);
	bool fits = state->renew_s >= window->start_s && state->renew_s <= window->end_s;
	if (!fits)
		state->renew_s = window->start_s + acme_random(window->end_s - window->start_s);
	state->renew_s = min_of(max_of(state->renew_s, first_s), state->expires_s - tenth_s);
}

static void acme_on_window(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	struct acme_state *state = &acme->job->state;
	struct acme_renewal window;
	int64_t after_s = reply->retry_after_s ? reply->retry_after_s : ACME_WINDOW_S;
	int64_t now_s = acme_now_s(acme);
	if (acme_reply_is_good(reply) && acme_renewal_parse(reply->body, &window) == 0)
		acme_take_window(state, &window);
	if (state->renew_s <= now_s)
		acme_order_job(acme);
	else
		acme_end_job(acme, min_of(state->renew_s,
		                           now_s + max_of(after_s, (int64_t)ACME_WINDOW_MIN_S)));
}

static void acme_on_session_for_window(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	const struct acme_state *state = &acme->job->state;
	char url[ACME_URL_SIZE];
	int64_t now_s = acme_now_s(acme);
	bool due = state->renew_s <= now_s;
	const char *base = acme_reply_is_good(reply)
	                           ? acme_session_directory(acme->session)->renewal_info
	                           : "";
	int size = snprintf(url, sizeof url, "%s/%s", base, state->id);
	if (*base && *state->id && (size_t)size < sizeof url)
		acme_session_get(acme->session, url, acme_on_window, acme);
	else if (due)
		acme_on_session(acme, reply);
	else
		acme_end_job(acme, min_of(state->renew_s, now_s + ACME_WINDOW_S));
}

/* -- jobs -------------------------------------------------------------------------------------- */

static int acme_open_session(struct acme *acme, size_t authority)
{
	int error = 0;
	if (!acme->sessions[authority])
		error = acme_session_create(acme->loop, acme->share, acme->section,
		        &acme->section->authorities.items[authority], &acme->sessions[authority]);
	acme->session = acme->sessions[authority];
	return error;
}

/* The authority that the certificate is from, or the number of them. */
static size_t acme_authority_of(const struct acme *acme, const struct acme_state *state)
{
	size_t at = 0;
	while (at < acme->section->authorities.count &&
	        strcmp(acme->section->authorities.items[at].url, state->authority) != 0)
		at++;
	return at;
}

static void acme_begin_job(struct acme *acme, struct acme_job *job)
{
	const struct acme_state *state = &job->state;
	size_t count = acme->section->authorities.count;
	size_t issuer = acme_authority_of(acme, state);
	/* Its own authority is asked for the time; after a failure it is due. */
	bool asks = state->renew_s && !state->failures && issuer < count;
	acme->job = job;
	int error = acme_open_session(acme, asks ? issuer : state->failures % count);
	if (error == 0) {
		acme_session_start(
		        acme->session, asks ? acme_on_session_for_window : acme_on_session, acme);
		return;
	}
	job->state.failures++;
	text_copy(job->state.why, sizeof job->state.why, weir_error_text(error));
	say("no certificate for %s: the authority %s cannot be asked: %s", job->name,
	        acme->section->authorities.items[job->state.failures % count].url,
	        weir_error_text(error));
	acme_end_job(acme, acme_now_s(acme) + acme_pause_s(acme, job->state.failures));
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

static void acme_on_claimed(void *context, int error, const char *why)
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
	/* Another front end may have done it. */
	struct acme_job *job = acme_due(acme);
	if (job)
		acme_begin_job(acme, job);
	else
		acme_end_claim(acme);
}

static void acme_on_time(struct weir_timer *timer)
{
	struct acme *acme = WEIR_CONTAINER(timer, struct acme, timer);
	if (!acme_due(acme)) {
		acme_wait(acme);
		return;
	}
	acme->claims = true;
	acme_share_claim(acme->share, acme_on_claimed, acme);
}

static void acme_wait(struct acme *acme)
{
	const struct acme_job *job = acme_first_due(acme);
	int64_t left_s = job ? job->state.next_s - acme_now_s(acme) : SLEEP_MAX_S;
	left_s = max_of(left_s, (int64_t)0);
	weir_timer_start(acme->loop, &acme->timer, min_of(left_s, (int64_t)SLEEP_MAX_S) * 1000 + 1,
	        acme_on_time);
}

/* -- other front ends -------------------------------------------------------------------------- */

static void acme_on_shared(void *context, bool installed)
{
	struct acme *acme = context;
	if (installed)
		acme_on_ask(&acme->ask);
	if (acme->claims)
		return;
	acme_load_states(acme);
	acme_wait(acme);
}

/* The new holder of the claim begins another order: it does not know this one. */
static void acme_on_lost(void *context)
{
	struct acme *acme = context;
	if (acme->order)
		acme_order_cancel(acme->order);
	else if (acme->job)
		acme_session_cancel(acme->session);
	acme->order = NULL;
	acme->job = NULL;
	acme->claims = false;
	acme_load_states(acme);
	weir_timer_start(acme->loop, &acme->timer, ACME_LOCK_MS, acme_on_time);
}

static int acme_share(struct acme *acme)
{
	struct acme_share_events events = {
	        .changed = acme_on_shared, .lost = acme_on_lost, .context = acme};
	return config_acme_is_shared(acme->config) && acme->config->store.database
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
		acme_on_ask(&acme->ask);
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
	acme_store_clear(acme->store, ACME_CHALLENGES);
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

void acme_destroy(struct acme *acme)
{
	if (!acme)
		return;
	weir_timer_stop(&acme->timer);
	weir_timer_stop(&acme->ask);
	acme_order_cancel(acme->order);
	for (size_t i = 0; i < CONFIG_AUTHORITIES_MAX; i++)
		acme_session_destroy(acme->sessions[i]);
	acme_share_destroy(acme->share);
	acme_store_close(acme->store);
	config_release(acme->config);
	free(acme->jobs);
	free(acme);
}
