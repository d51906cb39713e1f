/*
 * The changes that a rule makes in a reply, whichever handler has made it: the fields, those of
 * CORS, and the page for an error. Invariant: if a change cannot be made, the reply is not sent.
 *
 * The page is looked up in a later turn, when the handler that has replied has returned.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "exchange.h"
#include "files.h"
#include "rule.h"
#include "rules_state.h"

/* -- lines ------------------------------------------------------------------------------------- */

/* Cuts the next line, with its CRLF, off the lines. */
static struct weir_span http_rule_next_line(struct weir_span *rest)
{
	const char *start = rest->data;
	struct weir_span line;
	weir_span_cut(rest, '\n', &line);
	return weir_span(start, line.size + 1);
}

static bool http_rule_line_has(struct weir_span line, struct weir_span name)
{
	return line.size > name.size && line.data[name.size] == ':' &&
	       weir_span_equal_nocase(weir_span(line.data, name.size), name);
}

static bool http_rule_lines_have(struct weir_span lines, struct weir_span name)
{
	while (lines.size)
		if (http_rule_line_has(http_rule_next_line(&lines), name))
			return true;
	return false;
}

/* Whether a line of the fields is to stay. */
typedef bool http_rule_stays_fn(struct weir_span line, struct weir_span name);

static bool http_rule_is_other(struct weir_span line, struct weir_span name)
{
	return !http_rule_line_has(line, name);
}

static void http_rule_filter(
        struct weir_buffer *fields, http_rule_stays_fn *stays, struct weir_span name)
{
	struct weir_span rest = weir_buffer_span(fields);
	size_t size = 0;
	while (rest.size) {
		struct weir_span line = http_rule_next_line(&rest);
		if (!stays(line, name))
			continue;
		memmove(fields->data + size, line.data, line.size);
		size += line.size;
	}
	fields->size = size;
}

/* Lent lines do not change: they are copied before one of them is removed. */
static int http_rule_copy_lent(struct weir_http_exchange *exchange)
{
	int error = weir_buffer_append(&exchange->handling->fields, exchange->handling->lent.data,
	        exchange->handling->lent.size, WEIR_HTTP_REPLY_FIELDS_MAX);
	if (!error)
		exchange->handling->lent.size = 0;
	return error;
}

static int http_rule_remove(struct weir_http_exchange *exchange, struct weir_span name)
{
	int error = 0;
	if (http_rule_lines_have(exchange->handling->lent, name))
		error = http_rule_copy_lent(exchange);
	if (!error && http_rule_lines_have(weir_buffer_span(&exchange->handling->fields), name))
		http_rule_filter(&exchange->handling->fields, http_rule_is_other, name);
	return error;
}

static int http_rule_set(
        struct weir_http_exchange *exchange, struct weir_span name, struct weir_span value)
{
	int error = http_rule_remove(exchange, name);
	return error ? error : http_reply_add_field(exchange, name, value);
}

/* -- when a change is made --------------------------------------------------------------------- */

static struct weir_span http_rule_find_value(struct weir_span lines, struct weir_span name)
{
	while (lines.size) {
		struct weir_span line = http_rule_next_line(&lines);
		if (http_rule_line_has(line, name))
			return weir_span_trim(
			        weir_span(line.data + name.size + 1, line.size - name.size - 3));
	}
	return weir_span("", 0);
}

static struct weir_span http_rule_type_of(const struct weir_http_exchange *exchange)
{
	struct weir_span name = WEIR_SPAN("Content-Type");
	struct weir_span value =
	        http_rule_find_value(weir_buffer_span(&exchange->handling->fields), name);
	return value.size ? value : http_rule_find_value(exchange->handling->lent, name);
}

static bool http_rule_is_for_type(
        const struct weir_http_field_change *change, const struct weir_http_exchange *exchange)
{
	if (!change->type_count)
		return true;
	struct weir_span type = http_rule_type_of(exchange);
	for (size_t i = 0; i < change->type_count; i++)
		if (http_mime_matches(type, change->types[i]))
			return true;
	return false;
}

static bool http_rule_is_for_status(const struct weir_http_field_change *change, unsigned status)
{
	for (size_t i = 0; i < change->status_count; i++)
		if (status >= change->statuses[i].first && status <= change->statuses[i].last)
			return true;
	return !change->status_count && (change->always || (status >= 200 && status <= 399));
}

static int http_rule_make_change(
        const struct rule_change *change, struct weir_http_exchange *exchange)
{
	int error = 0;
	if (change->kind != RULE_ADD)
		error = http_rule_remove(exchange, change->name);
	if (!error && change->line.size)
		error = weir_buffer_append(&exchange->handling->fields, change->line.data,
		        change->line.size, WEIR_HTTP_REPLY_FIELDS_MAX);
	return error;
}

/* The conditions of a change are looked at once for all its lines, before the first is made. */
static int http_rule_make_changes(struct weir_http_exchange *exchange, unsigned status)
{
	const struct http_rule *rule = exchange->handling->rule;
	const struct weir_http_field_change *of = NULL;
	bool applies = false;
	bool secure = exchange->channel && weir_channel_secure(exchange->channel);
	int error = 0;
	for (size_t i = 0; i < rule->change_count && !error; i++) {
		const struct rule_change *change = &rule->changes[i];
		if (change->of != of) {
			of = change->of;
			applies = http_rule_is_for_status(of, status) &&
			          http_rule_is_for_type(of, exchange);
		}
		if (applies && (secure || !change->secure))
			error = http_rule_make_change(change, exchange);
	}
	return error;
}

/* -- CORS -------------------------------------------------------------------------------------- */

/* The value of Access-Control-Allow-Origin; empty: the origin is not allowed, or there is none. */
static struct weir_span http_rule_allowed_origin(const struct weir_http_exchange *exchange)
{
	const struct weir_http_cors *cors = &exchange->handling->rule->options.cors;
	struct weir_span origin =
	        weir_http_request_known(exchange->handling->request, WEIR_HTTP_ORIGIN);
	if (!origin.data || exchange->handling->rule->open_to_all)
		return origin.data ? WEIR_SPAN("*") : weir_span("", 0);
	for (size_t i = 0; i < cors->origin_count; i++)
		if (weir_span_equal_nocase(weir_span_of(cors->origins[i]), origin))
			return weir_span_of(cors->origins[i]);
	return weir_span("", 0);
}

/* The fields of another server are replaced: two of them would be none. */
static int http_rule_add_cors(struct weir_http_exchange *exchange)
{
	const struct weir_http_cors *cors = &exchange->handling->rule->options.cors;
	struct weir_span origin = http_rule_allowed_origin(exchange);
	int error = http_rule_remove(exchange, WEIR_SPAN("Access-Control-Allow-Origin"));
	if (!error)
		error = http_rule_remove(exchange, WEIR_SPAN("Access-Control-Allow-Credentials"));
	if (!error && !exchange->handling->rule->open_to_all)
		error = weir_http_add_field(exchange, "Vary", WEIR_SPAN("Origin"));
	if (error || !origin.size)
		return error;
	error = weir_http_add_field(exchange, "Access-Control-Allow-Origin", origin);
	if (!error && cors->credentials)
		error = weir_http_add_field(
		        exchange, "Access-Control-Allow-Credentials", WEIR_SPAN("true"));
	if (!error && cors->expose)
		error = http_rule_set(exchange, WEIR_SPAN("Access-Control-Expose-Headers"),
		        weir_span_of(cors->expose));
	return error;
}

/* A reply without the fields makes the browser refuse, so memory that is short is no danger. */
static void http_rule_add_preflight(struct weir_http_exchange *exchange)
{
	const struct weir_http_cors *cors = &exchange->handling->rule->options.cors;
	char age[16];
	int size = snprintf(age, sizeof age, "%u", (unsigned)cors->max_age_s);
	weir_http_add_field(exchange, "Access-Control-Allow-Methods", weir_span_of(cors->methods));
	if (cors->fields)
		weir_http_add_field(
		        exchange, "Access-Control-Allow-Headers", weir_span_of(cors->fields));
	weir_http_add_field(exchange, "Access-Control-Max-Age", weir_span(age, (size_t)size));
}

struct weir_span http_rule_preflight_method(const struct weir_http_request *request)
{
	if (request->method != WEIR_HTTP_OPTIONS || !request->first[WEIR_HTTP_ORIGIN])
		return weir_span(NULL, 0);
	return weir_http_request_field(request, WEIR_SPAN("Access-Control-Request-Method"));
}

bool http_rule_answer_preflight(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	if (!http_rule_preflight_method(exchange->handling->request).data)
		return false;
	if (!http_rule_allowed_origin(exchange).size) {
		weir_metric_add(&http_metrics_cells(exchange)->refusals[HTTP_REFUSED_ORIGIN], 1);
		weir_http_log_note(exchange, "refused_by", weir_span_of(rule->options.name));
		weir_http_reply_error(exchange, 403);
		return true;
	}
	http_rule_add_preflight(exchange);
	weir_http_reply_empty(exchange, 204);
	return true;
}

int http_rule_finish_fields(struct weir_http_exchange *exchange, unsigned status)
{
	int error = http_rule_make_changes(exchange, status);
	if (!error && exchange->handling->rule->options.cors.origin_count)
		error = http_rule_add_cors(exchange);
	return error;
}

/* -- pages for errors -------------------------------------------------------------------------- */

static const char *http_rule_find_page(const struct http_rule *rule, unsigned status)
{
	for (size_t i = 0; i < rule->options.error_count; i++) {
		const struct weir_http_error_page *page = &rule->options.errors[i];
		if (status >= page->statuses.first && status <= page->statuses.last)
			return page->path;
	}
	return NULL;
}

/* Fields without which a client cannot go on from this status. */
static bool http_rule_belongs_to_status(struct weir_span line, struct weir_span name)
{
	(void)name;
	return http_rule_line_has(line, WEIR_SPAN("WWW-Authenticate")) ||
	       http_rule_line_has(line, WEIR_SPAN("Retry-After")) ||
	       http_rule_line_has(line, WEIR_SPAN("Allow")) ||
	       http_rule_line_has(line, WEIR_SPAN("Content-Range"));
}

/* The site's own files: an alias is another directory. */
static struct weir_http_handler *http_rule_page_files(const struct http_rule *rule)
{
	return rule->rules->files ? rule->rules->files : rule->options.files;
}

static void http_rule_send_page(struct weir_task *task)
{
	struct weir_http_exchange *exchange =
	        WEIR_CONTAINER(task, struct http_handling, task)->exchange;
	unsigned status = exchange->handling->page_status;
	exchange->page_pending = false;
	weir_metric_add(&http_metrics_cells(exchange)->error_pages, 1);
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	http_files_reply_page(http_rule_page_files(exchange->handling->rule), exchange,
	        http_rule_find_page(exchange->handling->rule, status), status);
	http_exchange_leave_handler(exchange, before);
	http_exchange_free_if_unused(exchange);
}

bool http_rule_replaces(struct weir_http_exchange *exchange, unsigned status)
{
	const struct http_rule *rule = exchange->handling->rule;
	if (status < 400 || exchange->handling->page_status || !rule->options.error_count ||
	        !http_rule_find_page(rule, status) || !http_rule_page_files(rule) ||
	        http_exchange_copy_request_now(exchange) < 0)
		return false;
	exchange->handling->page_status = (uint16_t)status;
	exchange->page_pending = true;
	exchange->coding = WEIR_HTTP_IDENTITY;
	exchange->handling->trailers = NULL;
	exchange->handling->gone = NULL;
	weir_http_discard(exchange);
	if (exchange->release_lent)
		exchange->release_lent(exchange->lent_context);
	exchange->release_lent = NULL;
	exchange->handling->lent.size = 0;
	http_rule_filter(
	        &exchange->handling->fields, http_rule_belongs_to_status, weir_span("", 0));
	exchange->handling->task = (struct weir_task){.run = http_rule_send_page};
	weir_loop_defer(exchange->server->loop, &exchange->handling->task);
	return true;
}
