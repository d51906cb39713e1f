/*
 * Requests to an authority. Invariant: at most one request is under way, and `done` is called once
 * for it, from the loop.
 *
 * The start is in acme_start.c; the account, and a change of its key, are in acme_account.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>
#include <weir/sources.h>
#include <weir/tls.h>
#include <weir/version.h>

#include "acme_session_state.h"
#include "helper.h"
#include "say.h"

enum {
	CONNECT_MS = 10 * 1000,
	REPLY_MS = 60 * 1000,
};

/* -- ends -------------------------------------------------------------------------------------- */

static void acme_session_finish_request(
        struct acme_session *session, const struct acme_reply *reply)
{
	acme_reply_fn *done = session->done;
	session->call = NULL;
	session->kind = ACME_NOTHING;
	session->payload.size = 0;
	session->done = NULL;
	done(session->context, reply);
}

static void acme_session_fail(struct acme_session *session, int error, const char *why)
{
	acme_session_finish_request(
	        session, &(struct acme_reply){.error = error, .location = "", .why = why});
}

static void acme_session_on_failed(struct weir_task *task)
{
	struct acme_session *session = WEIR_CONTAINER(task, struct acme_session, failing);
	acme_session_fail(session, session->failure, weir_error_text(session->failure));
}

/* From within a function that must not call `done`. */
static void acme_session_fail_later(struct acme_session *session, int error)
{
	session->failure = error;
	session->failing.run = acme_session_on_failed;
	weir_loop_defer(session->loop, &session->failing);
}

void acme_session_end_start(struct acme_session *session, const struct acme_reply *reply)
{
	acme_reply_fn *done = session->started;
	session->started = NULL;
	done(session->started_context, reply);
}

void acme_session_refuse(struct acme_session *session, int error, const char *why)
{
	acme_session_end_start(
	        session, &(struct acme_reply){.error = error, .location = "", .why = why});
}

/* -- replies ----------------------------------------------------------------------------------- */

/* Seconds, or a date (RFC 9110 10.2.3). */
static int64_t acme_session_retry_after(struct weir_span value)
{
	char text[64];
	struct tm tm = {0};
	uint64_t seconds = 0;
	int64_t after_s = 0;
	text_copy_span(text, sizeof text, value);
	if (weir_span_number(value, 10, &seconds) == 0)
		after_s = (int64_t)min_of(seconds, (uint64_t)ACME_RETRY_AFTER_MAX_S);
	else if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		after_s = timegm(&tm) - time(NULL);
	return after_s < 0 ? 0 : min_of(after_s, (int64_t)ACME_RETRY_AFTER_MAX_S);
}

static void acme_session_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct acme_session *session = context;
	struct weir_span nonce = weir_http_reply_head_field(head, WEIR_SPAN("Replay-Nonce"));
	struct weir_span location = weir_http_reply_head_field(head, WEIR_SPAN("Location"));
	struct weir_span after = weir_http_reply_head_field(head, WEIR_SPAN("Retry-After"));
	session->status = head->status;
	*session->nonce = *session->location = 0;
	if (acme_nonce_is_good(nonce))
		text_copy_span(session->nonce, sizeof session->nonce, nonce);
	if (acme_url_is_good(location))
		text_copy_span(session->location, sizeof session->location, location);
	session->retry_after_s = after.size ? acme_session_retry_after(after) : 0;
}

static void acme_session_on_piece(void *context, struct weir_span bytes)
{
	struct acme_session *session = context;
	int error = weir_buffer_append(&session->body, bytes.data, bytes.size, ACME_REPLY_MAX);
	if (error < 0)
		session->failure = error;
}

static void acme_session_send(struct acme_session *session);

/* A nonce that was used, or is too old, is no fault of the request. */
static bool acme_session_try_again(struct acme_session *session, const struct acme_problem *problem)
{
	if (session->kind != ACME_POST || strcmp(problem->type, "badNonce") != 0 ||
	        session->tries >= ACME_NONCE_TRIES)
		return false;
	session->tries++;
	acme_session_send(session);
	return true;
}

static void acme_session_report(struct acme_session *session)
{
	char why[ACME_WHY_SIZE] = "";
	struct acme_reply reply = {
	        .status = session->status,
	        .body = weir_buffer_span(&session->body),
	        .location = session->location,
	        .retry_after_s = session->retry_after_s,
	        .why = why,
	};
	if (session->status >= 200 && session->status < 300) {
		acme_session_finish_request(session, &reply);
		return;
	}
	acme_problem_parse(reply.body, &reply.problem);
	if (acme_session_try_again(session, &reply.problem))
		return;
	snprintf(why, sizeof why, "%u%s%s%s%s", reply.status, *reply.problem.type ? " " : "",
	        reply.problem.type, *reply.problem.detail ? ": " : "", reply.problem.detail);
	acme_session_finish_request(session, &reply);
}

static void acme_session_on_end(void *context, const struct weir_http_call_end *end)
{
	struct acme_session *session = context;
	char why[ACME_WHY_SIZE];
	int error = end->error ? end->error : session->failure;
	session->call = NULL;
	if (error < 0) {
		text_copy(why, sizeof why, end->error ? end->text : weir_error_text(error));
		acme_session_fail(session, error, why);
	} else if (!session->asking_nonce) {
		acme_session_report(session);
	} else if (*session->nonce) {
		acme_session_send(session);
	} else {
		acme_session_fail(session, WEIR_E_SYNTAX, "the authority sent no nonce");
	}
}

/* -- requests ---------------------------------------------------------------------------------- */

static struct weir_producer *acme_session_make_body(void *context)
{
	struct acme_session *session = context;
	return weir_produce_borrowed(session->signed_body.data, session->signed_body.size);
}

static int acme_session_sign(struct acme_session *session)
{
	struct acme_jose jose = {
	        .key = session->signer ? session->signer : session->key,
	        .kid = session->signer || !*session->kid ? NULL : session->kid,
	        .nonce = session->nonce,
	        .url = session->url,
	};
	session->signed_body.size = 0;
	int error =
	        acme_jose_sign(&jose, weir_buffer_span(&session->payload), &session->signed_body);
	*session->nonce = 0;
	return error;
}

static int acme_session_start_call(
        struct acme_session *session, const char *method, const char *url, bool has_body)
{
	static const struct weir_http_call_events events = {
	        .head = acme_session_on_head,
	        .piece = acme_session_on_piece,
	        .end = acme_session_on_end,
	};
	static const struct weir_http_field fields[] = {
	        {WEIR_SPAN("User-Agent"), WEIR_SPAN("weir/" WEIR_VERSION)},
	        {WEIR_SPAN("Accept"),
	                WEIR_SPAN("application/json, application/pem-certificate-chain")},
	        {WEIR_SPAN("Content-Type"), WEIR_SPAN("application/jose+json")},
	};
	struct weir_http_call_options options;
	weir_http_call_options_init(&options);
	options.url = url;
	options.method = method;
	options.fields = fields;
	options.field_count = has_body ? 3 : 2;
	options.body_max = ACME_REPLY_MAX;
	if (has_body) {
		options.make_body = acme_session_make_body;
		options.make_body_context = session;
	}
	session->failure = 0;
	session->body.size = 0;
	return weir_http_call_start(session->client, &options, &events, session, &session->call);
}

static void acme_session_send(struct acme_session *session)
{
	int error = 0;
	session->asking_nonce = session->kind == ACME_POST && !*session->nonce;
	if (session->asking_nonce)
		error = acme_session_start_call(
		        session, "HEAD", session->directory.new_nonce, false);
	else if (session->kind == ACME_GET)
		error = acme_session_start_call(session, "GET", session->url, false);
	else if ((error = acme_session_sign(session)) == 0)
		error = acme_session_start_call(session, "POST", session->url, true);
	if (error < 0)
		acme_session_fail_later(session, error);
}

static void acme_session_begin(struct acme_session *session, enum acme_request kind,
        const char *url, acme_reply_fn *done, void *context)
{
	session->kind = kind;
	session->tries = 0;
	session->done = done;
	session->context = context;
	text_copy(session->url, sizeof session->url, url);
}

void acme_session_post(struct acme_session *session, const char *url, struct weir_span payload,
        acme_reply_fn *done, void *context)
{
	acme_session_begin(session, ACME_POST, url, done, context);
	session->payload.size = 0;
	int error =
	        weir_buffer_append(&session->payload, payload.data, payload.size, ACME_JOSE_MAX);
	if (error < 0)
		acme_session_fail_later(session, error);
	else
		acme_session_send(session);
}

void acme_session_get(
        struct acme_session *session, const char *url, acme_reply_fn *done, void *context)
{
	acme_session_begin(session, ACME_GET, url, done, context);
	acme_session_send(session);
}

void acme_session_cancel(struct acme_session *session)
{
	if (session->call)
		weir_http_call_cancel(session->call);
	weir_loop_cancel(session->loop, &session->failing);
	weir_loop_cancel(session->loop, &session->fresh);
	acme_share_cancel(session->share);
	session->call = NULL;
	session->kind = ACME_NOTHING;
	session->signer = NULL;
}

/* -- facts ------------------------------------------------------------------------------------- */

const struct acme_directory *acme_session_directory(const struct acme_session *session)
{
	return &session->directory;
}

EVP_PKEY *acme_session_key(const struct acme_session *session)
{
	return session->key;
}

const char *acme_session_url(const struct acme_session *session)
{
	return session->authority->url;
}

/* -- life -------------------------------------------------------------------------------------- */

static void acme_session_report_tls(void *context, const char *path, const char *text)
{
	(void)context;
	say("%s%s%s", path, *path ? ": " : "", text);
}

static int acme_session_open_client(struct acme_session *session)
{
	struct weir_tls_client_options trust;
	struct weir_http_client_options options;
	struct weir_tls *tls;
	weir_tls_client_options_init(&trust);
	trust.ca = session->authority->trust;
	int error = weir_tls_client_create(&trust, acme_session_report_tls, NULL, &tls);
	if (error < 0)
		return error;
	weir_http_client_options_init(&options);
	options.tls = tls;
	options.connections_max = options.origin_max = 2;
	options.connect_ms = CONNECT_MS;
	options.head_ms = options.body_ms = REPLY_MS;
	error = weir_http_client_create(session->loop, &options, &session->client);
	weir_tls_release(tls);
	return error;
}

int acme_session_create(struct weir_loop *loop, struct acme_share *share,
        const struct config_acme *acme, const struct config_authority *authority,
        struct acme_session **ret)
{
	struct acme_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->loop = loop;
	session->share = share;
	session->store = share->store;
	session->acme = acme;
	session->authority = authority;
	int error = acme_session_open_client(session);
	if (error == 0)
		*ret = session;
	else
		acme_session_destroy(session);
	return error;
}

void acme_session_destroy(struct acme_session *session)
{
	if (!session)
		return;
	acme_session_cancel(session);
	weir_http_client_destroy(session->client);
	EVP_PKEY_free(session->key);
	EVP_PKEY_free(session->next);
	weir_buffer_finish(&session->payload);
	weir_buffer_finish(&session->signed_body);
	weir_buffer_finish(&session->body);
	free(session);
}
