/*
 * Basic authentication. A login is the state of one request while its password is being checked.
 * The exchange stays valid meanwhile, since it has no reply; the name is copied out of the request.
 *
 * The guard against brute force decides how long an answer waits, for a right password too. A
 * bounded number of answers wait; one too many becomes 503, whether the password is right or wrong.
 * Passwords are erased as soon as the check has them. The exchange gets its user only after a right
 * password, so that a failed login is logged as a 401 without a user.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/base64.h>
#include <weir/error.h>
#include <weir/http_auth.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sasl_guard.h>
#include <weir/users.h>

#include "fields.h"
#include "helper.h"
#include "path.h"

enum {
	FAILURE_DELAY_MS = 600, /* without a guard */
	DELAYED_MAX = 256,      /* answers of one handler that wait, at a time */
};

struct basic_auth {
	struct weir_http_handler handler;
	struct weir_users *users;
	struct weir_guard *guard;   /* or NULL */
	struct weir_span prefix;    /* in text, as is the challenge */
	struct weir_span challenge; /* value of WWW-Authenticate */
	unsigned delayed;
	char text[];
};

struct http_login {
	struct basic_auth *auth;
	struct weir_http_exchange *exchange;
	struct weir_check check;
	struct weir_timer timer;
	int error;
	size_t user_size;
	char user[];
};

/* -- credentials ------------------------------------------------------------------------------- */

/*
 * Of several encodings of the same bytes only the canonical one is accepted, so that a filter that
 * counts attempts by the header counts them right.
 */
int http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct http_basic *ret_basic)
{
	struct weir_span scheme, user, rest = authorization;
	size_t size;
	if (!weir_span_cut(&rest, ' ', &scheme) ||
	        !weir_span_equal_nocase(scheme, WEIR_SPAN("Basic")))
		return WEIR_E_SYNTAX;
	while (rest.size && *rest.data == ' ')
		rest = weir_span_skip(rest, 1);
	int error = weir_base64_decode(rest, buffer, WEIR_HTTP_BASIC_MAX, &size);
	if (error < 0)
		return error;
	rest = weir_span(buffer, size);
	if (text_has_control(rest))
		return WEIR_E_SYNTAX;
	if (!weir_span_cut(&rest, ':', &user))
		return WEIR_E_SYNTAX;
	*ret_basic = (struct http_basic){.user = user, .password = rest};
	return 0;
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool http_basic_auth_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct basic_auth *auth = WEIR_CONTAINER(handler, struct basic_auth, handler);
	return http_path_below_nocase(weir_http_path(exchange), auth->prefix);
}

/* -- the answers ------------------------------------------------------------------------------- */

static void http_basic_auth_refuse(
        const struct basic_auth *auth, struct weir_http_exchange *exchange)
{
	int error = weir_http_add_field(exchange, "WWW-Authenticate", auth->challenge);
	weir_http_reply_error(exchange, error ? 500 : 401);
}

static void http_basic_auth_admit(struct http_login *login)
{
	if (weir_http_set_user(login->exchange, weir_span(login->user, login->user_size)) < 0)
		weir_http_reply_error(login->exchange, 500);
	else
		weir_http_next(&login->auth->handler, login->exchange);
}

static void http_basic_auth_refuse_for_now(struct weir_http_exchange *exchange)
{
	weir_http_add_field(exchange, "Retry-After", WEIR_SPAN("1"));
	weir_http_reply_error(exchange, 503);
}

static void http_basic_auth_answer(struct http_login *login)
{
	if (login->error == 0)
		http_basic_auth_admit(login);
	else if (login->error == -EACCES)
		http_basic_auth_refuse(login->auth, login->exchange);
	else
		http_basic_auth_refuse_for_now(login->exchange);
	free(login);
}

static void http_basic_auth_answer_delayed(struct weir_timer *timer)
{
	struct http_login *login = WEIR_CONTAINER(timer, struct http_login, timer);
	login->auth->delayed--;
	weir_http_on_gone(login->exchange, NULL, NULL);
	http_basic_auth_answer(login);
}

/* The client has gone: its answer need not wait, and another one may. */
static void http_basic_auth_answer_gone(void *context)
{
	struct http_login *login = context;
	weir_timer_stop(&login->timer);
	http_basic_auth_answer_delayed(&login->timer);
}

static uint32_t http_basic_auth_delay_of(const struct http_login *login)
{
	struct weir_guard *guard = login->auth->guard;
	struct weir_span user = weir_span(login->user, login->user_size);
	const struct weir_address *peer = weir_http_peer(login->exchange);
	int64_t now_ms = weir_loop_now_ms(weir_http_loop(login->exchange));
	if (login->error == 0)
		return guard ? weir_guard_passed(guard, peer, user, now_ms) : 0;
	if (login->error != -EACCES)
		return 0;
	return guard ? weir_guard_failed(guard, peer, user, now_ms) : FAILURE_DELAY_MS;
}

static void http_basic_auth_on_checked(struct weir_check *check, int error)
{
	struct http_login *login = WEIR_CONTAINER(check, struct http_login, check);
	struct basic_auth *auth = login->auth;
	login->error = error;
	uint32_t delay_ms = http_basic_auth_delay_of(login);
	if (delay_ms && auth->delayed < DELAYED_MAX) {
		auth->delayed++;
		if (weir_http_gone(login->exchange)) {
			http_basic_auth_answer_delayed(&login->timer);
			return;
		}
		weir_http_on_gone(login->exchange, http_basic_auth_answer_gone, login);
		weir_timer_start(weir_http_loop(login->exchange), &login->timer, delay_ms,
		        http_basic_auth_answer_delayed);
		return;
	}
	if (delay_ms)
		login->error = WEIR_E_LIMIT;
	http_basic_auth_answer(login);
}

/* -- the question ------------------------------------------------------------------------------ */

static void http_basic_auth_check(struct basic_auth *auth, struct weir_http_exchange *exchange,
        const struct http_basic *basic)
{
	struct http_login *login = calloc(1, sizeof *login + basic->user.size);
	if (!login) {
		weir_http_reply_error(exchange, 500);
		return;
	}
	login->auth = auth;
	login->exchange = exchange;
	login->user_size = basic->user.size;
	memcpy(login->user, basic->user.data, basic->user.size);
	struct weir_loop *loop = weir_http_loop(exchange);
	struct weir_check_client client = {.address = weir_http_peer(exchange)};
	if (auth->guard)
		client.suspect = weir_guard_suspects(
		        auth->guard, client.address, basic->user, weir_loop_now_ms(loop));
	weir_users_check_for(auth->users, loop, &login->check, &client, basic->user,
	        basic->password, http_basic_auth_on_checked);
}

/* The only Authorization of the request, as Basic credentials. */
static bool http_basic_auth_credentials(const struct weir_http_request *request,
        char buffer[WEIR_HTTP_BASIC_MAX], struct http_basic *ret)
{
	const struct weir_http_field *field =
	        weir_http_request_next(request, WEIR_HTTP_AUTHORIZATION, NULL);
	return field && !weir_http_request_next(request, WEIR_HTTP_AUTHORIZATION, field) &&
	       http_basic_parse(field->value, buffer, ret) == 0;
}

static void http_basic_auth_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct basic_auth *auth = WEIR_CONTAINER(handler, struct basic_auth, handler);
	char buffer[WEIR_HTTP_BASIC_MAX];
	struct http_basic basic;
	if (http_basic_auth_credentials(weir_http_request(exchange), buffer, &basic))
		http_basic_auth_check(auth, exchange, &basic);
	else
		http_basic_auth_refuse(auth, exchange);
	explicit_bzero(buffer, sizeof buffer);
}

/* -- life -------------------------------------------------------------------------------------- */

static void http_basic_auth_destroy(struct weir_http_handler *handler)
{
	struct basic_auth *auth = WEIR_CONTAINER(handler, struct basic_auth, handler);
	weir_users_release(auth->users);
	free(auth);
}

static char *http_basic_auth_put(char *to, const char *text)
{
	size_t size = strlen(text);
	memcpy(to, text, size);
	return to + size;
}

/* A quoted-string; bytes that are not allowed in one become spaces. */
static char *http_basic_auth_put_quoted(char *to, const char *text)
{
	*to++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
		*to++ = text_is_control(*text) ? ' ' : *text;
	}
	*to++ = '"';
	return to;
}

struct weir_http_handler *weir_http_basic_auth_create(
        struct weir_users *users, struct weir_guard *guard, const char *realm, const char *prefix)
{
	static const struct weir_http_handler_type type = {.name = "basic-auth",
	        .match = http_basic_auth_match,
	        .handle = http_basic_auth_handle,
	        .destroy = http_basic_auth_destroy};
	static const char begin[] = "Basic realm=", end[] = ", charset=\"UTF-8\"";
	size_t prefix_size = strlen(prefix);
	struct basic_auth *auth = calloc(
	        1, sizeof *auth + prefix_size + sizeof begin + sizeof end + 2 * strlen(realm) + 2);
	if (!auth)
		return NULL;
	auth->handler.type = &type;
	auth->users = weir_users_hold(users);
	auth->guard = guard;
	auth->prefix = weir_span(auth->text, prefix_size);
	char *challenge = http_basic_auth_put(auth->text, prefix);
	char *to = http_basic_auth_put(
	        http_basic_auth_put_quoted(http_basic_auth_put(challenge, begin), realm), end);
	auth->challenge = weir_span(challenge, (size_t)(to - challenge));
	return &auth->handler;
}

void weir_http_basic_auth_set_users(struct weir_http_handler *handler, struct weir_users *users)
{
	struct basic_auth *auth = WEIR_CONTAINER(handler, struct basic_auth, handler);
	weir_users_hold(users);
	weir_users_release(auth->users);
	auth->users = users;
}
