/*
 * Bearer authentication (RFC 6750) by signed tokens. A token is verified at once: that takes tens
 * of microseconds, as long as parsing a few requests does. The token is neither logged nor stored.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/http_auth.h>
#include <weir/list.h>
#include <weir/loop.h>

#include "exchange.h"
#include "jwt.h"

struct bearer {
	struct weir_http_handler handler;
	struct weir_http_token_keys *keys;
	struct http_jwt_rules rules; /* in text, as is the challenge */
	const char *realm;
	char text[];
};

static void http_bearer_refuse(
        const struct bearer *bearer, struct weir_http_exchange *exchange, const char *why)
{
	struct weir_buffer challenge = {0};
	int error = weir_buffer_format(&challenge, WEIR_HTTP_REPLY_FIELDS_MAX,
	        "Bearer realm=\"%s\"%s", bearer->realm, why ? ", error=\"invalid_token\"" : "");
	if (!error)
		error = weir_http_add_field(
		        exchange, "WWW-Authenticate", weir_buffer_span(&challenge));
	weir_buffer_finish(&challenge);
	if (why) {
		weir_metric_add(&http_metrics_cells(exchange)->refusals[HTTP_REFUSED_TOKEN], 1);
		weir_http_log_note(exchange, "token", weir_span_of(why));
	}
	weir_http_reply_error(exchange, error ? 500 : 401);
}

/* The token of the only Authorization field. Returns false if there is none. */
static bool http_bearer_find(const struct weir_http_request *request, struct weir_span *ret)
{
	const struct weir_http_field *field =
	        weir_http_request_next(request, WEIR_HTTP_AUTHORIZATION, NULL);
	struct weir_span scheme;
	if (!field || weir_http_request_next(request, WEIR_HTTP_AUTHORIZATION, field))
		return false;
	*ret = field->value;
	return weir_span_cut(ret, ' ', &scheme) &&
	       weir_span_equal_nocase(scheme, WEIR_SPAN("Bearer"));
}

static void http_bearer_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct bearer *bearer = WEIR_CONTAINER(handler, struct bearer, handler);
	char user[WEIR_HTTP_TOKEN_USER_MAX + 1];
	struct weir_span token;
	if (!http_bearer_find(weir_http_request(exchange), &token)) {
		http_bearer_refuse(bearer, exchange, NULL);
		return;
	}
	const char *why = http_jwt_verify(bearer->keys, weir_span_trim(token), &bearer->rules,
	        weir_loop_wall_s(weir_http_loop(exchange)), user);
	if (why)
		http_bearer_refuse(bearer, exchange, why);
	else if (*user && weir_http_set_user(exchange, weir_span_of(user)) < 0)
		weir_http_reply_error(exchange, 500);
	else
		weir_http_next(handler, exchange);
}

static void http_bearer_destroy(struct weir_http_handler *handler)
{
	struct bearer *bearer = WEIR_CONTAINER(handler, struct bearer, handler);
	weir_http_token_keys_release(bearer->keys);
	free(bearer);
}

static const char *http_bearer_put(char **to, const char *text)
{
	const char *start = *to;
	if (!text)
		return NULL;
	*to = stpcpy(*to, text) + 1;
	return start;
}

void weir_http_bearer_options_init(struct weir_http_bearer_options *options)
{
	*options = (struct weir_http_bearer_options){.realm = "weir", .user = "sub"};
}

struct weir_http_handler *weir_http_bearer_create(const struct weir_http_bearer_options *options)
{
	static const struct weir_http_handler_type type = {
	        .name = "bearer", .handle = http_bearer_handle, .destroy = http_bearer_destroy};
	size_t size = strlen(options->realm) + strlen(options->user) + 2;
	size += options->issuer ? strlen(options->issuer) + 1 : 0;
	size += options->audience ? strlen(options->audience) + 1 : 0;
	struct bearer *bearer = options->keys ? calloc(1, sizeof *bearer + size) : NULL;
	if (!bearer)
		return NULL;
	char *to = bearer->text;
	bearer->handler.type = &type;
	bearer->keys = weir_http_token_keys_hold(options->keys);
	bearer->realm = http_bearer_put(&to, options->realm);
	bearer->rules.user = http_bearer_put(&to, options->user);
	bearer->rules.issuer = http_bearer_put(&to, options->issuer);
	bearer->rules.audience = http_bearer_put(&to, options->audience);
	bearer->rules.leeway_s = options->leeway_s;
	return &bearer->handler;
}
