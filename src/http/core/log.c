/*
 * The lines of the access log. A line is prepared when the reply is made, while the request is
 * valid, and is written when the reply's last byte has left.
 */
#include <stdio.h>
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
	LINE_MAX_SIZE = TEXT_MAX + 1024
};

static const char *http_log_date_of(const struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	int64_t now = weir_loop_wall_s(exchange->loop);
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

void http_log_note_fault(struct http_loop *loop_state, const char *fault, struct weir_span bytes)
{
	size_t size = min_of(bytes.size, (size_t)WEIR_HTTP_FAULT_MAX);
	if (size)
		memcpy(loop_state->fault_room, bytes.data, size);
	loop_state->fault_bytes = weir_span(loop_state->fault_room, size);
	loop_state->fault = fault;
}

void http_log_clear_fault(struct http_loop *loop_state)
{
	loop_state->fault = NULL;
}

/* Appends the request line, and the reason why it or the body is malformed. */
static void http_log_add_request(struct weir_buffer *line, const struct http_loop *loop_state,
        const struct weir_http_request *request)
{
	if (request) {
		http_log_add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		http_log_add_escaped(line, request->target);
		weir_buffer_format(line, LINE_MAX_SIZE, " HTTP/1.%u", request->minor);
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
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(&exchange->peer, host);
	weir_buffer_format(line, LINE_MAX_SIZE, "%s - ", host);
	http_log_add_escaped(
	        line, exchange->user.size ? weir_buffer_span(&exchange->user) : WEIR_SPAN("-"));
	weir_buffer_format(line, LINE_MAX_SIZE, " [%s] \"", http_log_date_of(exchange));
	http_log_add_request(line, exchange->loop_state, request);
	weir_buffer_format(line, LINE_MAX_SIZE, "\" %u ", status);
	size_t split = line->size;
	http_log_add_field(line, request, WEIR_HTTP_REFERER);
	http_log_add_field(line, request, WEIR_HTTP_USER_AGENT);
	if (weir_http_tls(exchange, &tls))
		weir_buffer_format(line, LINE_MAX_SIZE, " %s", tls.version);
	return split;
}

/* More than the size, the time and the mark need. */
enum {
	LINE_END_MAX = 64
};

static void http_log_write_line(struct weir_log *log, const struct weir_http_exchange *exchange,
        const struct weir_buffer *known, size_t split, uint64_t size, char mark)
{
	const struct weir_http_site *site = exchange->site;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "-");
	/* An escaped byte takes four. */
	struct weir_buffer *line = weir_log_begin(log, known->size + LINE_END_MAX + 4 * name.size);
	if (!line)
		return;
	int64_t took_ms = weir_loop_now_ms(exchange->loop) - exchange->begun_ms;
	weir_buffer_append(line, known->data, split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, "%llu", (unsigned long long)size);
	weir_buffer_append(line, known->data + split, known->size - split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %lld.%03lld %c \"",
	        (long long)(took_ms / 1000), (long long)(took_ms % 1000), mark);
	weir_log_escape(line, name, WEIR_LOG_QUEUE_MAX);
	weir_buffer_append(line, "\"\n", 2, WEIR_LOG_QUEUE_MAX);
	weir_log_end(log);
}

void http_log_prepare(struct weir_http_exchange *exchange)
{
	exchange->log = exchange->server->log;
	if (exchange->log)
		exchange->log_split = http_log_compose(
		        exchange, exchange->request, exchange->status, &exchange->log_line);
}

void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why)
{
	uint64_t before_body = exchange->head_size + exchange->continue_put;
	uint64_t taken = exchange->producer.taken;
	char mark = why != WEIR_CLOSE_DONE ? 'X' : exchange->keep_alive ? '+' : '-';
	if (exchange->log)
		http_log_write_line(exchange->log, exchange, &exchange->log_line,
		        exchange->log_split, taken > before_body ? taken - before_body : 0, mark);
}

/* After the reply the request is valid only if it was copied. */
void http_log_fault(struct weir_http_exchange *exchange, unsigned status)
{
	struct weir_log *log = exchange->server->log;
	struct weir_buffer line = {0};
	if (!log)
		return;
	size_t split = http_log_compose(
	        exchange, exchange->copy ? exchange->copy->request : NULL, status, &line);
	http_log_write_line(log, exchange, &line, split, 0, '-');
	weir_buffer_finish(&line);
}
