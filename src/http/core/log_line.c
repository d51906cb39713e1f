/*
 * The text of a line of the access log: what is known when the reply is made, and the rest at its
 * end. Numbers are written without printf, which
 * would cost more than the request.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "exchange.h"
#include "helper.h"

/* Text from clients is cut off at TEXT_MAX; the rest is left for the server's own. */
enum {
	TEXT_MAX = WEIR_REQUEST_MAX,
	LINE_MAX_SIZE = TEXT_MAX + 1024,
};

static const char *http_log_date_of(const struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	int64_t now = weir_loop_wall_s(exchange->server->loop);
	if (loop_state->log_date_s != now) {
		time_t seconds = now;
		struct tm tm;
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		loop_state->log_date_s = now;
		gmtime_r(&seconds, &tm);
		snprintf(loop_state->log_date, sizeof loop_state->log_date,
		        "%02d/%.3s/%04d:%02d:%02d:%02d +0000", tm.tm_mday, months + tm.tm_mon * 3,
		        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	return loop_state->log_date;
}

/* Appends them, all or none. */
static void http_log_put(
        struct weir_buffer *line, struct weir_span a, struct weir_span b, struct weir_span c)
{
	const struct weir_span spans[] = {a, b, c};
	buffer_append_spans(line, spans, 3, WEIR_LOG_QUEUE_MAX);
}

static struct weir_span http_log_number(char digits[TEXT_DECIMAL_SIZE], uint64_t number)
{
	return weir_span(digits, (size_t)(text_put_decimal(digits, number) - digits));
}

static void http_log_add_escaped(struct weir_buffer *line, struct weir_span text)
{
	weir_log_escape(line, text, TEXT_MAX);
}

static void http_log_add_field(struct weir_buffer *line, const struct weir_http_request *request,
        enum weir_http_known known)
{
	struct weir_span value =
	        request ? weir_http_request_known(request, known) : weir_span(NULL, 0);
	weir_buffer_append(line, " \"", 2, LINE_MAX_SIZE);
	http_log_add_escaped(line, value.data ? value : WEIR_SPAN("-"));
	weir_buffer_append(line, "\"", 1, LINE_MAX_SIZE);
}

/* Appends the request line, and the reason why it or the body is malformed. */
static void http_log_add_request(struct weir_buffer *line,
        const struct weir_http_exchange *exchange, const struct weir_http_request *request)
{
	const struct http_loop *loop_state = exchange->server->loop_state;
	if (request) {
		http_log_add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		http_log_add_escaped(line, request->target);
		char version[] = " HTTP/1.0";
		version[6] = (char)('0' + exchange->connection->major);
		version[8] = (char)('0' + (exchange->connection->major == 1 ? request->minor : 0));
		weir_buffer_append(line, version, sizeof version - 1, LINE_MAX_SIZE);
	} else if (!loop_state->fault) {
		weir_buffer_append(line, "-", 1, LINE_MAX_SIZE);
	}
	if (loop_state->fault) {
		weir_buffer_format(line, LINE_MAX_SIZE, "%smalformed: %s%s", request ? " " : "",
		        loop_state->fault, loop_state->fault_bytes.size ? ": " : "");
		http_log_add_escaped(line, loop_state->fault_bytes);
	}
}

/* Composes all of a line that is known already. Returns where the size belongs in it. */
static size_t http_log_compose(const struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, struct weir_buffer *line)
{
	struct weir_tls_info tls;
	char host[WEIR_ADDRESS_TEXT_MAX], digits[TEXT_DECIMAL_SIZE];
	struct weir_span user = weir_http_user(exchange);
	size_t host_size = weir_address_host(&exchange->handling->peer, host);
	http_log_put(line, WEIR_SPAN(""), weir_span(host, host_size), WEIR_SPAN(" - "));
	http_log_add_escaped(line, user.size ? user : WEIR_SPAN("-"));
	http_log_put(
	        line, WEIR_SPAN(" ["), weir_span_of(http_log_date_of(exchange)), WEIR_SPAN("] \""));
	http_log_add_request(line, exchange, request);
	http_log_put(line, WEIR_SPAN("\" "), http_log_number(digits, status), WEIR_SPAN(" "));
	size_t split = line->size;
	http_log_add_field(line, request, WEIR_HTTP_REFERER);
	http_log_add_field(line, request, WEIR_HTTP_USER_AGENT);
	if (weir_http_tls(exchange, &tls))
		weir_buffer_format(line, LINE_MAX_SIZE, " %s", tls.version);
	return split;
}

/* More than the size, the time, the mark and the ID need. */
enum {
	LINE_END_MAX = 96
};

/* Cuts the next note off `*rest`. Returns false at the end. */
static bool http_log_next_note(
        struct weir_span *rest, const char **ret_key, struct weir_span *ret_value)
{
	if (rest->size == 0)
		return false;
	*ret_key = rest->data;
	*rest = weir_span_skip(*rest, strlen(rest->data) + 1);
	*ret_value = weir_span_of(rest->data);
	*rest = weir_span_skip(*rest, ret_value->size + 1);
	return true;
}

static void http_log_add_notes(struct weir_buffer *line, const struct http_log_entry *entry)
{
	enum weir_log_format format = entry->format;
	struct weir_span rest = weir_buffer_span(&entry->notes), value;
	const char *key;
	while (http_log_next_note(&rest, &key, &value)) {
		bool number = *key == *HTTP_LOG_NUMBER;
		key += number;
		if (format == WEIR_LOG_TEXT && number) {
			weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %s=%s", key, value.data);
		} else if (format == WEIR_LOG_TEXT) {
			weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %s=\"", key);
			weir_log_escape(line, value, WEIR_LOG_QUEUE_MAX);
			weir_buffer_append(line, "\"", 1, WEIR_LOG_QUEUE_MAX);
		} else if (number) {
			weir_log_add_number(line, format, key, strtoull(value.data, NULL, 10),
			        WEIR_LOG_QUEUE_MAX);
		} else {
			weir_log_add_text(line, format, key, value, WEIR_LOG_QUEUE_MAX);
		}
	}
}

/* -- logfmt and JSON --------------------------------------------------------------------------- */

/* Text of a client is cut off, so that there is room for the server's fields behind it. */
static void http_log_field(struct weir_buffer *line, enum weir_log_format format, const char *key,
        struct weir_span text)
{
	if (text.size)
		weir_log_add_text(line, format, key, text, TEXT_MAX);
}

static void http_log_begin_fields(
        struct weir_http_exchange *exchange, enum weir_log_format format, struct weir_buffer *line)
{
	char text[WEIR_ADDRESS_TEXT_MAX], date[32];
	time_t now = weir_loop_wall_s(exchange->server->loop);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	weir_log_open_line(line, format, LINE_MAX_SIZE);
	http_log_field(line, format, "time", weir_span_of(date));
	http_log_field(line, format, "kind", WEIR_SPAN("http"));
	text_put_hex(text, http_log_id(exchange));
	http_log_field(line, format, "id", weir_span(text, TEXT_HEX_SIZE));
	weir_address_host(&exchange->handling->peer, text);
	http_log_field(line, format, "peer", weir_span_of(text));
	http_log_field(line, format, "user", weir_http_user(exchange));
}

/* The fields that are known when the reply is made. */
static void http_log_compose_fields(struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, enum weir_log_format format,
        struct weir_buffer *line)
{
	const struct http_loop *loop_state = exchange->server->loop_state;
	struct weir_tls_info tls;
	http_log_begin_fields(exchange, format, line);
	if (request) {
		http_log_field(line, format, "method", request->method_name);
		http_log_field(line, format, "target", request->target);
		if (exchange->connection->major == 1)
			weir_log_add_number(line, format, "minor", request->minor, LINE_MAX_SIZE);
		else
			weir_log_add_number(
			        line, format, "major", exchange->connection->major, LINE_MAX_SIZE);
		http_log_field(line, format, "host", request->host);
		http_log_field(line, format, "referer",
		        weir_http_request_known(request, WEIR_HTTP_REFERER));
		http_log_field(line, format, "agent",
		        weir_http_request_known(request, WEIR_HTTP_USER_AGENT));
	}
	if (loop_state->fault) {
		http_log_field(line, format, "malformed", weir_span_of(loop_state->fault));
		http_log_field(line, format, "input", loop_state->fault_bytes);
	}
	if (weir_http_tls(exchange, &tls))
		weir_log_add_text(line, format, "tls", weir_span_of(tls.version), LINE_MAX_SIZE);
	weir_log_add_number(line, format, "status", status, LINE_MAX_SIZE);
}

/* The fields that are known at the end. */
static void http_log_write_fields(const struct http_log_entry *entry,
        const struct weir_http_exchange *exchange, uint64_t size, char mark)
{
	const struct weir_http_site *site = exchange->site;
	const struct weir_buffer *known = &entry->line;
	enum weir_log_format format = entry->format;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "");
	struct weir_buffer *line = weir_log_begin(entry->log, entry->level,
	        known->size + 4 * (size_t)LINE_END_MAX + 6 * (name.size + entry->notes.size));
	int64_t took_ms = weir_loop_now_ms(exchange->server->loop) - exchange->begun_ms;
	if (!line)
		return;
	weir_buffer_append(line, known->data, known->size, WEIR_LOG_QUEUE_MAX);
	weir_log_add_number(line, format, "bytes", size, WEIR_LOG_QUEUE_MAX);
	weir_log_add_number(line, format, "ms", (uint64_t)took_ms, WEIR_LOG_QUEUE_MAX);
	weir_log_add_text(line, format, "connection",
	        mark == 'X'   ? WEIR_SPAN("gone")
	        : mark == '+' ? WEIR_SPAN("kept")
	                      : WEIR_SPAN("closed"),
	        WEIR_LOG_QUEUE_MAX);
	if (name.size)
		weir_log_add_text(line, format, "site", name, WEIR_LOG_QUEUE_MAX);
	http_log_add_notes(line, entry);
	weir_log_close_line(line, format, WEIR_LOG_QUEUE_MAX);
	weir_log_end(entry->log);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Seconds with three digits, the mark, and the quote before the name of the site. */
static void http_log_put_time(struct weir_buffer *line, int64_t took_ms, char mark)
{
	char digits[TEXT_DECIMAL_SIZE], rest[] = ".000 - \"";
	uint64_t ms = took_ms > 0 ? (uint64_t)took_ms : 0;
	rest[1] = (char)('0' + ms / 100 % 10);
	rest[2] = (char)('0' + ms / 10 % 10);
	rest[3] = (char)('0' + ms % 10);
	rest[5] = mark;
	http_log_put(line, WEIR_SPAN(" "), http_log_number(digits, ms / 1000),
	        weir_span(rest, sizeof rest - 1));
}

void http_log_line_write(const struct http_log_entry *entry, struct weir_http_exchange *exchange,
        uint64_t size, char mark)
{
	if (entry->format != WEIR_LOG_TEXT) {
		http_log_write_fields(entry, exchange, size, mark);
		return;
	}
	const struct weir_http_site *site = exchange->site;
	const struct weir_buffer *known = &entry->line;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "-");
	/* An escaped byte takes four. */
	struct weir_buffer *line = weir_log_begin(entry->log, entry->level,
	        known->size + LINE_END_MAX + 4 * (name.size + entry->notes.size));
	if (!line)
		return;
	int64_t took_ms = weir_loop_now_ms(exchange->server->loop) - exchange->begun_ms;
	char digits[TEXT_DECIMAL_SIZE], id[TEXT_HEX_SIZE];
	http_log_put(line, weir_span(known->data, entry->split), http_log_number(digits, size),
	        weir_span(known->data + entry->split, known->size - entry->split));
	http_log_put_time(line, took_ms, mark);
	weir_log_escape(line, name, WEIR_LOG_QUEUE_MAX);
	text_put_hex(id, http_log_id(exchange));
	http_log_put(line, WEIR_SPAN("\" "), weir_span(id, sizeof id), WEIR_SPAN(""));
	http_log_add_notes(line, entry);
	weir_buffer_append(line, "\n", 1, WEIR_LOG_QUEUE_MAX);
	weir_log_end(entry->log);
}

void http_log_line_compose(struct http_log_entry *entry, struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status)
{
	entry->format = (uint8_t)weir_log_format(entry->log);
	if (entry->format == WEIR_LOG_TEXT)
		entry->split = (uint32_t)http_log_compose(exchange, request, status, &entry->line);
	else
		http_log_compose_fields(exchange, request, status, entry->format, &entry->line);
}
