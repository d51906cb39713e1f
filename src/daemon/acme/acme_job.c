/*
 * The job of one name, from the look at its window of renewal to the end of its order. Whatever an
 * authority does ends in acme_job_end, which sets when the name is due again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "acme_job.h"
#include "acme_order.h"
#include "helper.h"
#include "say.h"

/* -- times ------------------------------------------------------------------------------------- */

/* A number from 0 up to `bound`. */
static int64_t acme_job_random(int64_t bound)
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
static int64_t acme_job_pause_s(const struct acme *acme, uint64_t failures)
{
	size_t count = acme->section->authorities.count;
	int64_t first_s = (int64_t)(acme->section->retry_ms / 1000), pause_s = first_s;
	uint64_t rounds = failures / count;
	if (failures % count)
		return 0;
	for (uint64_t i = 1; i < rounds && pause_s < ACME_RETRY_MAX_S; i++)
		pause_s *= 2;
	pause_s = min_of(pause_s, (int64_t)ACME_RETRY_MAX_S);
	return pause_s + acme_job_random(pause_s / 2);
}

/* Two thirds of the time, or up to a twentieth of it earlier. */
static int64_t acme_job_renew_s(const struct acme_chain *chain)
{
	int64_t lifetime_s = chain->validity.expires_s - chain->validity.begins_s;
	return chain->validity.begins_s + lifetime_s * 2 / 3 - acme_job_random(lifetime_s / 20);
}

/* -- states ------------------------------------------------------------------------------------ */

void acme_job_store(struct acme *acme, const struct acme_job *job)
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
static bool acme_job_read_installed(
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
static struct acme_state acme_job_state_of(
        const struct acme *acme, const struct acme_chain *chain, const char *authority)
{
	struct acme_state state = {
	        .validity = chain->validity,
	        .renew_s = acme_job_renew_s(chain),
	        .obtained_s = acme_now_s(acme),
	};
	text_copy(state.id, sizeof state.id, chain->id);
	text_copy(state.authority, sizeof state.authority, authority);
	/* The window of the authority is asked for soon. */
	state.next_s = min_of(state.renew_s, acme_now_s(acme) + ACME_WINDOW_MIN_S);
	return state;
}

/* Whether the state is that of a certificate. */
static bool acme_job_knows(const struct acme_state *state, const struct acme_chain *chain)
{
	return chain->validity.begins_s == state->validity.begins_s &&
	       chain->validity.expires_s == state->validity.expires_s;
}

bool acme_job_load(struct acme *acme, struct acme_job *job)
{
	struct acme_chain chain;
	struct acme_state *state = &job->state;
	*state = (struct acme_state){0};
	acme_state_read(acme->section->directory, job->name, state);
	bool installed = acme_job_read_installed(acme, job, &chain);
	if (installed && !acme_job_knows(state, &chain)) {
		const char *authority = acme->section->authorities.items[0].url;
		*state = acme_job_state_of(
		        acme, &chain, *state->authority ? state->authority : authority);
		return true;
	}
	if (!installed) {
		state->validity = (struct acme_validity){0};
		state->renew_s = 0;
	}
	if (!installed && !state->failures && !state->waits)
		state->next_s = 0;
	return false;
}

/* -- the end ----------------------------------------------------------------------------------- */

static void acme_job_end(struct acme *acme, int64_t next_s)
{
	acme->job->state.next_s = next_s;
	acme_job_store(acme, acme->job);
	acme->job = NULL;
	acme->order = NULL;
	acme->ended(acme);
}

static void acme_job_fail(struct acme *acme, const char *why, int64_t retry_after_s)
{
	struct acme_state *state = &acme->job->state;
	int64_t pause_s = acme_job_pause_s(acme, ++state->failures);
	pause_s = max_of(pause_s, retry_after_s);
	state->waits = false;
	text_copy(state->why, sizeof state->why, why);
	say_at(state->renew_s && state->validity.expires_s - acme_now_s(acme) > 7 * 24 * 60 * 60
	                ? WEIR_LOG_WARNING
	                : WEIR_LOG_ERROR,
	        "no certificate for %s from %s: %s; the next attempt is in %llds%s",
	        acme->job->name, acme_session_url(acme->session), why, (long long)pause_s,
	        state->renew_s ? ", and the old certificate stays" : "");
	acme_job_end(acme, acme_now_s(acme) + pause_s);
}

/* Looks again later; it is no failure, so the authority stays the same. */
static void acme_job_wait(struct acme *acme, int64_t retry_after_s)
{
	struct acme_state *state = &acme->job->state;
	int64_t pause_s = min_of(
	        max_of(retry_after_s, (int64_t)ACME_PROCESSING_S), (int64_t)ACME_RETRY_MAX_S);
	if (!state->waits)
		say_at(WEIR_LOG_INFO,
		        "the order for %s is still processed by %s; it is looked at again in "
		        "%llds, and so on",
		        acme->job->name, acme_session_url(acme->session), (long long)pause_s);
	state->waits = true;
	acme_job_end(acme, acme_now_s(acme) + pause_s);
}

static void acme_job_on_order(void *context, const struct acme_order_end *end)
{
	struct acme *acme = context;
	struct acme_state *state = &acme->job->state;
	acme->order = NULL;
	if (end->account_lost)
		acme_session_forget_account(acme->session);
	if (end->waits) {
		acme_job_wait(acme, end->retry_after_s);
		return;
	}
	if (end->why) {
		acme_job_fail(acme, end->why, end->retry_after_s);
		return;
	}
	*state = acme_job_state_of(acme, end->chain, acme_session_url(acme->session));
	say_at(WEIR_LOG_INFO, "a certificate for %s is there, from %s, for %lld days",
	        acme->job->name, state->authority,
	        (long long)((state->validity.expires_s - acme_now_s(acme)) / 86400));
	/* First: a process that ends between the two finds what it did not note. */
	acme->installed(acme);
	acme_job_end(acme, state->next_s);
}

/* -- the order --------------------------------------------------------------------------------- */

static void acme_job_order(struct acme *acme)
{
	const struct acme_state *state = &acme->job->state;
	size_t count = acme->section->authorities.count;
	const struct config_authority *authority = acme->authority;
	bool same = state->renew_s && strcmp(state->authority, authority->url) == 0;
	struct acme_order_options options = {
	        .loop = acme->loop,
	        .session = acme->session,
	        .share = acme->share,
	        .acme = acme->section,
	        .name = acme->job->name,
	        .profile = authority->profile,
	        .replaces = same && *state->id ? state->id : NULL,
	        .before = state->validity,
	        .waited = state->waits,
	        .turn = (unsigned)(state->failures / count),
	        .end = acme_job_on_order,
	        .context = acme,
	};
	int error = acme_order_start(&options, &acme->order);
	if (error < 0)
		acme_job_fail(acme, weir_error_text(error), 0);
}

static void acme_job_on_rolled_over(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	if (acme_reply_is_good(reply))
		acme_job_order(acme);
	else
		acme_job_fail(acme, reply->why, reply->retry_after_s);
}

static void acme_job_on_session(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	char why[ACME_WHY_SIZE];
	if (acme_reply_is_good(reply)) {
		acme_session_roll_over(acme->session, (int64_t)(acme->section->key_age_ms / 1000),
		        acme_job_on_rolled_over, acme);
		return;
	}
	if (strcmp(reply->problem.type, "accountDoesNotExist") == 0)
		acme_session_forget_account(acme->session);
	snprintf(why, sizeof why, "the authority cannot be used: %s", reply->why);
	acme_job_fail(acme, why, reply->retry_after_s);
}

/* -- the window of renewal --------------------------------------------------------------------- */

/*
 * Chooses a time in the window. One that has begun, or is over, means now (RFC 9773 4.2). An
 * authority in error can neither let the certificate expire nor have one ordered without end: the
 * time is in the first nine tenths of the lifetime, and not while the certificate is young.
 */
static void acme_job_take_window(struct acme_state *state, const struct acme_renewal *window)
{
	int64_t tenth_s = (state->validity.expires_s - state->validity.begins_s) / 10;
	int64_t first_s = state->obtained_s + min_of(tenth_s, (int64_t)ACME_YOUNG_S);
	bool fits = state->renew_s >= window->start_s && state->renew_s <= window->end_s;
	if (!fits)
		state->renew_s = window->start_s + acme_job_random(window->end_s - window->start_s);
	state->renew_s =
	        min_of(max_of(state->renew_s, first_s), state->validity.expires_s - tenth_s);
}

static void acme_job_on_window(void *context, const struct acme_reply *reply)
{
	struct acme *acme = context;
	struct acme_state *state = &acme->job->state;
	struct acme_renewal window;
	int64_t after_s = reply->retry_after_s ? reply->retry_after_s : ACME_WINDOW_S;
	int64_t now_s = acme_now_s(acme);
	if (acme_reply_is_good(reply) && acme_renewal_parse(reply->body, &window) == 0)
		acme_job_take_window(state, &window);
	if (state->renew_s <= now_s)
		acme_job_order(acme);
	else
		acme_job_end(acme, min_of(state->renew_s,
		                           now_s + max_of(after_s, (int64_t)ACME_WINDOW_MIN_S)));
}

static void acme_job_on_session_for_window(void *context, const struct acme_reply *reply)
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
		acme_session_get(acme->session, url, acme_job_on_window, acme);
	else if (due)
		acme_job_on_session(acme, reply);
	else
		acme_job_end(acme, min_of(state->renew_s, now_s + ACME_WINDOW_S));
}

/* -- the beginning ----------------------------------------------------------------------------- */

static int acme_job_open_session(struct acme *acme, size_t authority)
{
	int error = 0;
	acme->authority = &acme->section->authorities.items[authority];
	if (!acme->sessions[authority])
		error = acme_session_create(acme->loop, acme->share, acme->section, acme->authority,
		        &acme->sessions[authority]);
	acme->session = acme->sessions[authority];
	return error;
}

/* The authority that the certificate is from, or the number of them. */
static size_t acme_job_authority_of(const struct acme *acme, const struct acme_state *state)
{
	size_t at = 0;
	while (at < acme->section->authorities.count &&
	        strcmp(acme->section->authorities.items[at].url, state->authority) != 0)
		at++;
	return at;
}

void acme_job_begin(struct acme *acme, struct acme_job *job)
{
	const struct acme_state *state = &job->state;
	size_t count = acme->section->authorities.count;
	size_t issuer = acme_job_authority_of(acme, state);
	/*
	 * Its own authority is asked for the time. After a failure, or while its order waits, it is
	 * due.
	 */
	bool issued = state->renew_s && !state->failures && issuer < count;
	bool asks = issued && !state->waits;
	acme->job = job;
	int error = acme_job_open_session(acme, issued ? issuer : state->failures % count);
	if (error == 0) {
		acme_session_start(acme->session,
		        asks ? acme_job_on_session_for_window : acme_job_on_session, acme);
		return;
	}
	job->state.failures++;
	job->state.waits = false;
	text_copy(job->state.why, sizeof job->state.why, weir_error_text(error));
	say("no certificate for %s: the authority %s cannot be asked: %s", job->name,
	        acme->authority->url, weir_error_text(error));
	acme_job_end(acme, acme_now_s(acme) + acme_job_pause_s(acme, job->state.failures));
}

void acme_job_cancel(struct acme *acme)
{
	if (acme->order)
		acme_order_cancel(acme->order);
	else if (acme->job)
		acme_session_cancel(acme->session);
	acme->order = NULL;
	acme->job = NULL;
}
