/*
 * The lines of the access log. One is prepared when the reply is made, while the request is there to
 * be seen, and finished when the last byte has gone.
 */
#include <stdio.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "exchange.h"

/* What clients sent is cut off at the first; what is ours has its place up to the second. */
enum {
	TEXT_MAX = WEIR_REQUEST_MAX,
	LINE_MAX_SIZE = TEXT_MAX + 1024
};

static const char *http_log_date_of(const struct weir_http_exchange *exchange)
{
	struct http_loop *shared = exchange->server->shared;
	int64_t now = weir_loop_wall_s(exchange->loop);
	if (shared->log_date_s != now) {
		time_t seconds = now;
		struct tm tm;
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		shared->log_date_s = now;
		gmtime_r(&seconds, &tm);
		snprintf(shared->log_date, sizeof shared->log_date,
		        "%02d/%.3s/%04d:%02d:%02d:%02d +0000", tm.tm_mday, months + tm.tm_mon * 3,
		        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	return shared->log_date;
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

void http_log_prepare(struct weir_http_exchange *exchange)
{
	struct weir_log *log = exchange->server->log;
	const struct weir_http_request *request = exchange->request;
	struct weir_buffer *line = &exchange->log_line;
	struct weir_tls_info tls;
	char host[WEIR_ADDRESS_TEXT_MAX];
	exchange->log = log;
	if (!log)
		return;
	weir_address_host(&exchange->peer, host);
	weir_buffer_format(line, LINE_MAX_SIZE, "%s - ", host);
	http_log_add_escaped(
	        line, exchange->user.size ? weir_buffer_span(&exchange->user) : WEIR_SPAN("-"));
	weir_buffer_format(line, LINE_MAX_SIZE, " [%s] \"", http_log_date_of(exchange));
	if (request) {
		http_log_add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		http_log_add_escaped(line, request->target);
		weir_buffer_format(line, LINE_MAX_SIZE, " HTTP/1.%u", request->minor);
	} else if (exchange->shared->fault) {
		weir_buffer_format(line, LINE_MAX_SIZE, "malformed: %s: ", exchange->shared->fault);
		http_log_add_escaped(line, exchange->shared->fault_bytes);
	} else {
		weir_buffer_append(line, "-", 1, LINE_MAX_SIZE);
	}
	weir_buffer_format(line, LINE_MAX_SIZE, "\" %u ", exchange->status);
	exchange->log_split = line->size;
	http_log_add_field(line, request, WEIR_HTTP_REFERER);
	http_log_add_field(line, request, WEIR_HTTP_USER_AGENT);
	if (weir_http_tls(exchange, &tls))
		weir_buffer_format(line, LINE_MAX_SIZE, " %s", tls.version);
}

/* More than size, time and mark can take. */
enum {
	LINE_END_MAX = 64
};

void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why)
{
	struct weir_log *log = exchange->log;
	const struct weir_buffer *known = &exchange->log_line;
	struct weir_buffer *line = log ? weir_log_begin(log, known->size + LINE_END_MAX) : NULL;
	if (!line)
		return;
	uint64_t before_body = exchange->head_size + exchange->continue_put;
	uint64_t taken = exchange->producer.taken;
	int64_t took_ms = weir_loop_now_ms(exchange->loop) - exchange->begun_ms;
	weir_buffer_append(line, known->data, exchange->log_split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, "%llu",
	        (unsigned long long)(taken > before_body ? taken - before_body : 0));
	weir_buffer_append(line, known->data + exchange->log_split,
	        known->size - exchange->log_split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %lld.%03lld %c\n",
	        (long long)(took_ms / 1000), (long long)(took_ms % 1000),
	        why != WEIR_CLOSE_DONE ? 'X'
	        : exchange->keep_alive ? '+'
	                               : '-');
	weir_log_end(log);
}
