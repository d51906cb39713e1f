/*
 * The actions of a rule on a request that has passed the checks: a redirect, another path, a fixed
 * reply, the files of another directory, or the first of some paths that is there.
 *
 * A path is composed escaped, as a client would send it, and cleaned again, so that what a wildcard
 * has captured cannot lead anywhere else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "exchange.h"
#include "files.h"
#include "path.h"
#include "rules_state.h"

static unsigned http_rule_status_of(int error)
{
	return error == WEIR_E_LIMIT ? 414 : 500;
}

/* Composes a target. One that begins with "//" would name another host. */
static int http_rule_compose(const struct http_rule *rule,
        const struct weir_http_exchange *exchange, const char *target, struct weir_buffer *to)
{
	struct http_captures captures;
	http_rule_capture(rule, exchange, &captures);
	int error = http_target_put(
	        to, weir_span_of(target), exchange, &captures, WEIR_HTTP_TARGET_MAX);
	size_t slashes = 0;
	while (slashes < to->size && to->data[slashes] == '/')
		slashes++;
	if (!error && slashes > 1)
		weir_buffer_consume(to, slashes - 1);
	return error;
}

/* -- redirects, rewriting ---------------------------------------------------------------------- */

static int http_rule_put_location(const struct http_rule *rule,
        const struct weir_http_exchange *exchange, struct weir_buffer *location)
{
	const struct weir_http_request *request = exchange->handling->request;
	int error = http_rule_compose(rule, exchange, rule->options.redirect, location);
	if (error || !request->has_query || strchr(rule->options.redirect, '?'))
		return error;
	error = weir_buffer_append(location, "?", 1, WEIR_HTTP_REPLY_FIELDS_MAX);
	return error ? error
	             : weir_buffer_append(location, request->query.data, request->query.size,
	                       WEIR_HTTP_REPLY_FIELDS_MAX);
}

static void http_rule_redirect(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	struct weir_buffer location = {0};
	int error = http_rule_put_location(rule, exchange, &location);
	if (!error)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_finish(&location);
	weir_http_reply_error(
	        exchange, error ? http_rule_status_of(error) : rule->options.redirect_status);
}

static void http_rule_rewrite(
        const struct http_rule *rule, struct weir_http_exchange *exchange, const char *target)
{
	struct weir_buffer path = {0};
	int error = http_rule_compose(rule, exchange, target, &path);
	if (error) {
		weir_buffer_finish(&path);
		weir_http_reply_error(exchange, http_rule_status_of(error));
		return;
	}
	weir_metric_add(&http_metrics_cells(exchange)->rewrites, 1);
	exchange->handling->rewriter = rule;
	http_dispatch_rewrite(exchange, weir_buffer_span(&path));
	weir_buffer_finish(&path);
}

/* -- files that are tried ---------------------------------------------------------------------- */

struct rule_try {
	struct http_files_probe probe;
	const struct http_rule *rule;
	struct weir_http_exchange *exchange;
	struct weir_http_handler *act;
	size_t next;
};

_Static_assert(sizeof(struct rule_try) <= WEIR_HTTP_SCRATCH, "must fit the scratch");

static void http_rule_try_next(struct rule_try *try);
static void http_rule_finish(const struct http_rule *rule, struct weir_http_exchange *exchange,
        struct weir_http_handler *act);

/* A file that is there: the next handler that is not behind files, such as one for scripts. */
static void http_rule_next_to_files(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	while (handler->next && handler->next->type->behind_files)
		handler = handler->next;
	struct weir_http_handler *next = handler->next;
	if (next && next->type->match && !next->type->match(next, exchange))
		http_rule_next_to_files(next, exchange);
	else
		weir_http_next(handler, exchange);
}

/* A path other than the request's is checked by the rules like one that was asked for. */
static void http_rule_try_serve(
        const struct rule_try *try, const struct weir_http_path *path, struct weir_span target)
{
	struct weir_http_exchange *exchange = try->exchange;
	if (weir_span_equal(path->text, exchange->handling->path.text))
		http_rule_next_to_files(try->act, exchange);
	else
		http_dispatch_rewrite(exchange, target);
}

/* Returns 0 with the cleaned path in `clean`, or an error: there is no such path. */
static int http_rule_try_compose(const struct rule_try *try, const char *candidate,
        struct weir_buffer *target, struct weir_buffer *clean, struct weir_http_path *ret_path)
{
	int error = http_rule_compose(try->rule, try->exchange, candidate, target);
	if (!error)
		error = weir_buffer_reserve(clean, target->size + 1, WEIR_HTTP_TARGET_MAX + 1);
	if (error)
		return error;
	struct weir_span raw, rest = weir_buffer_span(target);
	weir_span_cut(&rest, '?', &raw);
	return http_path_clean(raw, clean->data, clean->capacity, ret_path) ? -ENOENT : 0;
}

static void http_rule_on_probed(struct http_files_probe *probe, bool found)
{
	struct rule_try *try = WEIR_CONTAINER(probe, struct rule_try, probe);
	struct weir_buffer target = {0}, clean = {0};
	struct weir_http_path path;
	if (!found) {
		http_rule_try_next(try);
		return;
	}
	struct rule_try copy = *try; /* the files' handler uses the scratch */
	int error = http_rule_try_compose(
	        &copy, copy.rule->options.candidates[copy.next - 1], &target, &clean, &path);
	if (error)
		weir_http_reply_error(copy.exchange, http_rule_status_of(error));
	else
		http_rule_try_serve(&copy, &path, weir_buffer_span(&target));
	weir_buffer_finish(&target);
	weir_buffer_finish(&clean);
}

static void http_rule_try_next(struct rule_try *try)
{
	const struct weir_http_rule *options = &try->rule->options;
	struct weir_buffer target = {0}, clean = {0};
	struct weir_http_path path;
	int error = -ENOENT;
	while (error == -ENOENT && try->next < options->candidate_count)
		error = http_rule_try_compose(
		        try, options->candidates[try->next++], &target, &clean, &path);
	weir_buffer_finish(&target);
	if (error == 0) {
		http_files_probe(http_rule_files(try->rule), &try->probe, &path, try->exchange,
		        http_rule_on_probed);
	} else if (error == -ENOENT) {
		http_rule_finish(try->rule, try->exchange, try->act);
	} else {
		weir_http_reply_error(try->exchange, http_rule_status_of(error));
	}
	weir_buffer_finish(&clean);
}

/* Requests that write are for the path that they name. */
static bool http_rule_tries(const struct http_rule *rule, const struct weir_http_exchange *exchange)
{
	enum weir_http_method method = exchange->handling->request->method;
	return rule->options.candidate_count && http_rule_files(rule) &&
	       (method == WEIR_HTTP_GET || method == WEIR_HTTP_HEAD || method == WEIR_HTTP_POST);
}

static void http_rule_try(const struct http_rule *rule, struct weir_http_exchange *exchange,
        struct weir_http_handler *act)
{
	struct rule_try *try = weir_http_scratch(exchange);
	*try = (struct rule_try){.rule = rule, .exchange = exchange, .act = act};
	http_rule_try_next(try);
}

/* -- hints ------------------------------------------------------------------------------------- */

/*
 * Hints are sent to clients of HTTP/2 and to browsers that open a page, since some clients of
 * HTTP/1.1 take an interim reply for the reply (RFC 8297 3).
 */
static bool http_rule_hints(const struct http_rule *rule, const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = exchange->handling->request;
	if (!rule->options.hint_count || request->method != WEIR_HTTP_GET ||
	        exchange->handling->rewrites)
		return false;
	return exchange->connection->major >= 2 ||
	       weir_span_equal(weir_http_request_field(request, WEIR_SPAN("Sec-Fetch-Mode")),
	               WEIR_SPAN("navigate"));
}

/* A hint that cannot be sent is left out: the page has the links, too. */
static void http_rule_send_hints(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	struct weir_http_field fields[WEIR_HTTP_HINTS_MAX];
	unsigned count = 0;
	for (; count < rule->options.hint_count && count < WEIR_HTTP_HINTS_MAX; count++)
		fields[count] = (struct weir_http_field){
		        WEIR_SPAN("Link"), weir_span_of(rule->options.hints[count])};
	weir_http_interim(exchange, 103, fields, count);
}

/* -- the handler ------------------------------------------------------------------------------- */

/* The directory of an alias has what the `**` of the pattern stands for. */
static void http_rule_serve_alias(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	struct weir_http_handler *files = rule->options.files;
	struct http_captures captures;
	http_rule_capture(rule, exchange, &captures);
	struct weir_span rest =
	        captures.count ? captures.items[captures.count - 1] : weir_span("", 0);
	exchange->handling->skip = (uint16_t)(http_path_segments(exchange->handling->path.text) -
	                                      http_path_segments(rest));
	files->type->handle(files, exchange);
}

static void http_rule_respond(
        const struct weir_http_fixed_reply *reply, struct weir_http_exchange *exchange)
{
	weir_metric_add(&http_metrics_cells(exchange)->responses, 1);
	if (*reply->text)
		weir_http_reply_text(
		        exchange, reply->status, reply->type, weir_span_of(reply->text));
	else if (reply->status >= 400)
		weir_http_reply_error(exchange, reply->status);
	else
		weir_http_reply_empty(exchange, reply->status);
}

static void http_rule_finish(const struct http_rule *rule, struct weir_http_exchange *exchange,
        struct weir_http_handler *act)
{
	const struct weir_http_rule *options = &rule->options;
	if (options->redirect && !exchange->handling->rewrites)
		http_rule_redirect(rule, exchange);
	else if (options->rewrite && exchange->handling->rewriter != rule)
		http_rule_rewrite(rule, exchange, options->rewrite);
	else if (options->respond.status)
		http_rule_respond(&options->respond, exchange);
	else if (options->alias)
		http_rule_serve_alias(rule, exchange);
	else
		weir_http_next(act, exchange);
}

/* Behind the passwords of the site. A rule that has rewritten the path itself counts it once. */
static bool http_rule_take_rate_of_user(
        const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	if (rule->options.rate_by != WEIR_HTTP_RATE_USER || !rule->options.rate.a_second ||
	        handling->rated == rule)
		return true;
	handling->rated = rule;
	return http_rule_take_rate(rule, exchange);
}

void http_rule_act(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct http_rule *rule = exchange->handling->rule;
	if (!rule) {
		weir_http_next(handler, exchange);
		return;
	}
	if (!http_rule_take_rate_of_user(rule, exchange))
		return;
	if (http_rule_hints(rule, exchange))
		http_rule_send_hints(rule, exchange);
	if (http_rule_tries(rule, exchange))
		http_rule_try(rule, exchange, handler);
	else
		http_rule_finish(rule, exchange, handler);
}
