/*
 * HTTP/2 on the wire with handlers that reply at once, later, in pieces, never; bodies that are
 * received, paused or left alone; ends by either side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "exchange.h"
#include "h2_client.h"

static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_http_exchange *later[16];
static unsigned later_count, gone_count, hooks_closed, uploads_open;
static enum weir_close_reason hook_why;
static char large[300000], large_text[20001];

/* -- handlers, by path ------------------------------------------------------------------------- */

struct upload {
	struct weir_http_exchange *exchange;
	struct weir_buffer text;
	unsigned pieces;
	bool pauses;
	struct weir_task resume;
};

static void upload_resume(struct weir_task *task)
{
	weir_http_resume(WEIR_CONTAINER(task, struct upload, resume)->exchange);
}

static void upload_piece(void *context, struct weir_span bytes)
{
	struct upload *upload = context;
	weir_buffer_append(&upload->text, bytes.data, bytes.size, 100000);
	upload->pieces++;
	if (!upload->pauses)
		return;
	weir_http_pause(upload->exchange);
	upload->resume.run = upload_resume;
	weir_loop_defer(loop, &upload->resume);
}

static void upload_end(void *context, int error)
{
	struct upload *upload = context;
	weir_loop_cancel(loop, &upload->resume);
	if (error == 0)
		weir_http_reply_text(upload->exchange, 200, "text/plain",
		        upload->text.size > 100 ? WEIR_SPAN("large")
		                                : weir_buffer_span(&upload->text));
	weir_buffer_finish(&upload->text);
	uploads_open--;
	free(upload);
}

static void upload_trailer(void *context, const struct weir_http_field *field)
{
	struct upload *upload = context;
	weir_buffer_format(&upload->text, 100000, "|%.*s=%.*s", (int)field->name.size,
	        field->name.data, (int)field->value.size, field->value.data);
}

static void receive(struct weir_http_exchange *exchange, bool pauses)
{
	static const struct weir_http_receiver receiver = {upload_piece, upload_end};
	struct upload *upload = calloc(1, sizeof *upload);
	if (!upload) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	upload->exchange = exchange;
	upload->pauses = pauses;
	uploads_open++;
	weir_http_on_trailer(exchange, upload_trailer);
	if (weir_http_receive(exchange, &receiver, upload, 50000) == 0)
		return;
	uploads_open--;
	free(upload);
	weir_http_reply_error(exchange, 413);
}

static enum weir_more generate(void *context, struct weir_output *out)
{
	unsigned *left = context;
	if (!weir_output_copy(out, "piece.", 6))
		return WEIR_FAILED;
	return --*left ? WEIR_MORE : WEIR_DONE;
}

static enum weir_more generate_broken(void *context, struct weir_output *out)
{
	(void)context;
	weir_output_copy(out, "half", 4);
	return WEIR_FAILED;
}

static size_t put_trailers(void *context, char *text, size_t room)
{
	(void)context;
	return (size_t)snprintf(text, room, "Sum: 7\r\n");
}

static void note_gone(void *context)
{
	gone_count++;
	weir_http_reply_empty(context, 204);
}

static void note_hook(void *context, enum weir_close_reason why, uint64_t bytes)
{
	(void)context, (void)bytes;
	hooks_closed++;
	hook_why = why;
}

static struct weir_buffer lent_lines;
static unsigned released;

static void note_released(void *context)
{
	(void)context;
	released++;
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	static unsigned left;
	const char *path = weir_http_path(exchange).data;
	(void)context;
	if (strcmp(path, "later") == 0)
		later[later_count++ % 16] = exchange;
	else if (strcmp(path, "gone") == 0)
		weir_http_on_gone(exchange, note_gone, exchange);
	else if (strcmp(path, "pieces") == 0) {
		left = 3;
		weir_http_reply(exchange, 200, weir_produce_generator(generate, NULL, &left));
	} else if (strcmp(path, "hints") == 0) {
		const struct weir_http_field fields[] = {{WEIR_SPAN("Link"), WEIR_SPAN("</a>")},
		        {WEIR_SPAN("X-Empty"), WEIR_SPAN("")}};
		weir_http_interim(exchange, 103, fields, 2);
		weir_http_interim(exchange, 102, NULL, 0);
		weir_http_reply_empty(exchange, 204);
	} else if (strcmp(path, "trailers") == 0) {
		left = 1;
		weir_http_set_trailers(exchange, put_trailers, NULL);
		weir_http_reply(exchange, 200, weir_produce_generator(generate, NULL, &left));
	} else if (strcmp(path, "text-trailers") == 0) {
		weir_http_set_trailers(exchange, put_trailers, NULL);
		weir_http_reply(exchange, 200, weir_produce_borrowed("piece.", 6));
	} else if (strcmp(path, "noted") == 0) {
		later[later_count++ % 16] = exchange;
		weir_http_on_gone(exchange, note_gone, exchange);
		weir_http_lend_fields(exchange, WEIR_SPAN("X: y\r\n"), note_released, NULL);
		weir_http_reply(exchange, 200, weir_produce_borrowed(large, sizeof large));
	} else if (strcmp(path, "broken") == 0)
		weir_http_reply(exchange, 200, weir_produce_generator(generate_broken, NULL, NULL));
	else if (strcmp(path, "large") == 0)
		weir_http_reply(exchange, 200,
		        weir_produce_hook(
		                weir_produce_borrowed(large, sizeof large), note_hook, NULL));
	else if (strcmp(path, "204") == 0)
		weir_http_reply_empty(exchange, 204);
	else if (strcmp(path, "upload") == 0)
		receive(exchange, false);
	else if (strcmp(path, "pauses") == 0)
		receive(exchange, true);
	else if (strcmp(path, "fields") == 0) {
		char long_value[200];
		memset(long_value, 'v', sizeof long_value);
		weir_http_add_field(exchange, "X-Long", weir_span(long_value, sizeof long_value));
		weir_http_add_field(exchange, "ETag", WEIR_SPAN("\"a\""));
		weir_http_add_field(exchange, "Connection", WEIR_SPAN("close"));
		weir_http_reply_empty(exchange, 200);
	} else if (strcmp(path, "lent") == 0) {
		weir_http_lend_fields(exchange, weir_buffer_span(&lent_lines), note_released, NULL);
		weir_http_reply_text(exchange, 200, "text/plain", WEIR_SPAN("behind"));
	} else
		weir_http_reply_text(exchange, 200, "text/plain", weir_http_path(exchange));
}

/* -- the fixture ------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	later_count = gone_count = hooks_closed = 0;
	memset(large_text, 'v', sizeof large_text - 1);
	assert_int_equal(weir_loop_create(&loop), 0);
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.listener.bounds.progress_ms = 3000;
	options.listener.bounds.request_ms = 2000;
	options.listener.bounds.idle_ms = 5000;
	options.http2_prior_knowledge = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	assert_int_equal(weir_http_create(loop, &options, &server), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_http_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(uploads_open, 0);
	return 0;
}

/* -- replies ----------------------------------------------------------------------------------- */

static void replies_have_frames_and_no_codings(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/hello", true);
	h2_client_send(&client);
	h2_client_expect(&client, "1:200 1:content-length=5 1:\"hello\" 1. ");
	h2_client_ask(&client, 3, "HEAD", "/hello", true);
	h2_client_send(&client);
	h2_client_expect(&client, "3:200 3:content-length=5 3. ");
	h2_client_ask(&client, 5, "GET", "/pieces", true);
	h2_client_send(&client);
	h2_client_expect(&client, "5:200 5:\"piece.piece.piece.\" 5. ");
	h2_client_ask(&client, 7, "GET", "/204", true);
	h2_client_send(&client);
	h2_client_expect(&client, "7:204 7. ");
	h2_client_ask(&client, 9, "GET", "/trailers", true);
	h2_client_send(&client);
	h2_client_expect(&client, "9:200 9:\"piece.\" 9:sum=7 9. ");
	h2_client_ask(&client, 11, "GET", "/broken", true);
	h2_client_send(&client);
	h2_client_expect(&client, "11:200 11:\"half\" 11!2 ");
	h2_client_end(&client);
}

static void fields_are_in_lower_case_and_those_of_the_connection_left_out(void **state)
{
	char text[400], value[201] = "";
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/fields", true);
	h2_client_send(&client);
	memset(value, 'v', 200);
	snprintf(text, sizeof text, "1:200 1:content-length=0 1:x-long=%s 1:etag=\"a\" 1. ", value);
	h2_client_expect(&client, text);
	h2_client_end(&client);
}

static void a_large_head_has_continuation_frames(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		char name[100];
		memset(name, 'a' + i, sizeof name);
		weir_buffer_format(&lent_lines, SIZE_MAX, "X-%.90s: %.*s\r\n", name,
		        i == 1 ? 20000 : 126 + i, large_text);
	}
	released = 0;
	struct h2_client client = h2_client_begin(loop, server);
	client.quiet = true;
	h2_client_ask(&client, 1, "GET", "/lent", true);
	h2_client_send(&client);
	h2_client_await(&client, "1. ");
	assert_int_equal(client.continuations, 1);
	struct weir_buffer lines = {0};
	for (int i = 0; i < 3; i++) {
		char name[100];
		memset(name, 'a' + i, sizeof name);
		weir_buffer_format(&lines, SIZE_MAX, "1:x-%.90s=%.*s ", name,
		        i == 1 ? 20000 : 126 + i, large_text);
	}
	weir_buffer_append(&lines, "", 1, SIZE_MAX);
	assert_non_null(strstr(client.text.data, lines.data));
	weir_buffer_finish(&lines);
	h2_client_end(&client);
	assert_int_equal(released, 1);
	weir_buffer_finish(&lent_lines);
}

static void replies_leave_in_any_order(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/later", true);
	h2_client_ask(&client, 3, "PUT", "/later", true);
	h2_client_ask(&client, 5, "GET", "/x", true);
	h2_client_send(&client);
	h2_client_expect(&client, "5:200 5:content-length=1 5:\"x\" 5. ");
	assert_int_equal(later_count, 2);
	weir_http_reply_empty(later[1], 404);
	h2_client_expect(&client, "3:404 3:content-length=0 3. ");
	weir_http_reply_empty(later[0], 206);
	h2_client_expect(&client, "1:206 1:content-length=0 1. ");
	h2_client_end(&client);
}

static void a_reset_tells_the_handler_that_waits(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/gone", true);
	h2_client_ask(&client, 3, "GET", "/later", true);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(loop, later_count == 1));
	h2_client_put32(&client, H2_RST_STREAM, 1, H2_CANCEL);
	h2_client_put32(&client, H2_RST_STREAM, 3, H2_CANCEL);
	h2_client_ask(&client, 5, "GET", "/x", true);
	h2_client_send(&client);
	h2_client_expect(&client, "5:200 5:content-length=1 5:\"x\" 5. ");
	assert_int_equal(gone_count, 1);
	assert_true(weir_http_gone(later[0]));
	weir_http_reply_empty(later[0], 200);
	h2_client_end(&client);
}

static void the_end_of_the_connection_tells_the_handler_that_waits(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/gone", true);
	h2_client_send(&client);
	peer_turn(&client.peer, 20);
	h2_client_end(&client);
	assert_true(TURN_UNTIL(loop, gone_count == 1));
}

/* Bytes that a producer has lent stay untouched as long as the kernel has not taken them. */
static void a_producer_is_not_closed_before_its_bytes_were_taken(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	int small = 65536;
	setsockopt(client.peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client.quiet = true;
	h2_client_put32(&client, H2_WINDOW_UPDATE, 0, 1 << 30);
	h2_client_put_setting(&client, H2_SETTINGS_INITIAL_WINDOW_SIZE, 0x3f000000);
	for (uint32_t id = 1; id < 40; id += 2)
		h2_client_ask(&client, id, "GET", "/large", true);
	h2_client_send(&client);
	peer_turn(&client.peer, 100);
	assert_true(hooks_closed < 20);
	for (uint32_t id = 1; id < 38; id += 2)
		h2_client_put32(&client, H2_RST_STREAM, id, H2_CANCEL);
	h2_client_send(&client);
	peer_turn(&client.peer, 100);
	/* At least one waits: that whose bytes the kernel did not take. */
	assert_true(hooks_closed < 20);
	h2_client_await(&client, "39. ");
	assert_true(TURN_UNTIL(loop, hooks_closed == 20));
	h2_client_end(&client);
}

/* -- bodies ------------------------------------------------------------------------------------ */

static void bodies_come_in_any_pieces(void **state)
{
	static const char *const paths[] = {"/upload", "/pauses"};
	(void)state;
	for (size_t at_once = 0; at_once < 2; at_once++)
		for (size_t i = 0; i < 2; i++) {
			struct h2_client client = h2_client_begin(loop, server);
			h2_client_ask(&client, 1, "PUT", paths[i], false);
			h2_client_put(&client, H2_DATA, 0, 1, "first ", 6);
			h2_client_put(&client, H2_DATA, H2_FLAG_PADDED, 1, "\2second xx", 10);
			h2_client_put(&client, H2_DATA, 0, 1, "", 0);
			h2_client_put(&client, H2_DATA, H2_FLAG_END_STREAM, 1, "third", 5);
			h2_client_ask(&client, 3, "PUT", paths[i], true);
			h2_client_ask(&client, 5, "PUT", paths[i], false);
			h2_client_put(&client, H2_DATA, H2_FLAG_END_STREAM, 5, "", 0);
			for (size_t at = 0; !at_once && at < client.out.size; at++) {
				peer_send_bytes(&client.peer, client.out.data + at, 1);
				weir_loop_turn(loop, 0);
			}
			if (at_once)
				h2_client_send(&client);
			h2_client_await(&client, "1:\"first second third\" 1. ");
			h2_client_await(&client, "3:200 3:content-length=0 3. ");
			h2_client_await(&client, "5:200 5:content-length=0 5. ");
			h2_client_end(&client);
		}
}

/* Behind all pieces, and before the end, also while the body is paused. */
static void trailers_of_a_request_reach_the_handler(void **state)
{
	static const char *const paths[] = {"/upload", "/pauses"};
	char block[100], *to = block;
	(void)state;
	to = h2_client_add_field(to, "digest", "abc");
	to = h2_client_add_field(to, "x-empty", "");
	for (size_t i = 0; i < 2; i++) {
		struct h2_client client = h2_client_begin(loop, server);
		h2_client_ask(&client, 1, "PUT", paths[i], false);
		h2_client_put(&client, H2_DATA, 0, 1, "one", 3);
		h2_client_put(&client, H2_DATA, 0, 1, "two", 3);
		h2_client_put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 1,
		        block, (size_t)(to - block));
		/* One without a body, and one that nobody receives. */
		h2_client_ask(&client, 3, "PUT", paths[i], false);
		h2_client_put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 3,
		        block, (size_t)(to - block));
		h2_client_ask(&client, 5, "PUT", "/x", false);
		h2_client_put(&client, H2_HEADERS, H2_FLAG_END_HEADERS | H2_FLAG_END_STREAM, 5,
		        block, (size_t)(to - block));
		h2_client_send(&client);
		h2_client_await(&client, "1:\"onetwo|digest=abc|x-empty=\" 1. ");
		h2_client_await(&client, "3:\"|digest=abc|x-empty=\" 3. ");
		h2_client_await(&client, "5:\"x\" 5. ");
		h2_client_end(&client);
	}
}

static void interim_replies_are_heads_of_their_own(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/hints", true);
	h2_client_send(&client);
	h2_client_expect(&client, "1:103 1:link=</a> 1:x-empty= 1:102 1:204 1. ");
	h2_client_end(&client);
}

static void a_body_that_is_too_large_ends_the_stream_alone(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "PUT", "/upload", false);
	for (int i = 0; i < 5; i++)
		h2_client_put(&client, H2_DATA, 0, 1, large, H2_FRAME_PAYLOAD_MAX);
	client.quiet = true;
	h2_client_send(&client);
	h2_client_await(&client, "1:413 ");
	h2_client_await(&client, "1!0 ");
	h2_client_ask(&client, 3, "GET", "/x", true);
	h2_client_send(&client);
	h2_client_await(&client, "3:200 ");
	h2_client_end(&client);
}

static void a_body_that_nobody_receives_is_bounded_by_the_window(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "PUT", "/later", false);
	for (int i = 0; i < WEIR_HTTP2_STREAM_WINDOW / H2_FRAME_PAYLOAD_MAX; i++)
		h2_client_put(&client, H2_DATA, 0, 1, large, H2_FRAME_PAYLOAD_MAX);
	h2_client_ask(&client, 3, "GET", "/x", true);
	h2_client_send(&client);
	h2_client_expect(&client, "3:200 3:content-length=1 3:\"x\" 3. ");
	h2_client_put(&client, H2_DATA, 0, 1, "x", 1);
	h2_client_send(&client);
	h2_client_expect(&client, "1!3 ");
	weir_http_reply_empty(later[0], 200);
	h2_client_end(&client);
}

/* A handler that has not asked for the body gets the error when it asks, or makes its own reply. */
static void a_body_may_fail_before_it_is_asked_for(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "PUT", "/later", false);
	h2_client_ask(&client, 3, "PUT", "/later", false);
	h2_client_put(&client, H2_DATA, 0, 1, "x", 1);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(loop, later_count == 2));
	shutdown(client.peer.fd, SHUT_WR);
	peer_turn(&client.peer, 20);
	assert_true(weir_http_has_body(later[0]));
	receive(later[0], false);
	assert_int_equal(uploads_open, 0);
	weir_http_reply_empty(later[1], 204);
	client.quiet = true;
	h2_client_await(&client, "1:400 ");
	h2_client_await(&client, "3:204 ");
	h2_client_end(&client);
}

/* The windows of the connection stay whole, whatever becomes of the bodies. */
static void the_window_is_given_back_for_bodies_that_are_dropped(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_send(&client);
	for (uint32_t id = 1; id < 60; id += 2) {
		h2_client_ask(&client, id, "PUT", id % 4 == 1 ? "/x" : "/upload", false);
		h2_client_put(&client, H2_DATA, 0, id, large, H2_FRAME_PAYLOAD_MAX);
		h2_client_put(&client, H2_DATA, 0, id, large, H2_FRAME_PAYLOAD_MAX);
		h2_client_put32(&client, H2_RST_STREAM, id, H2_CANCEL);
		h2_client_send(&client);
		peer_turn(&client.peer, 5);
	}
	client.quiet = true;
	h2_client_ask(&client, 61, "GET", "/y", true);
	h2_client_send(&client);
	h2_client_await(&client, "61:200 ");
	assert_null(strstr(client.text.data, "goaway"));
	h2_client_end(&client);
}

static void a_client_that_sends_no_body_is_told_after_a_time(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "PUT", "/upload", false);
	h2_client_send(&client);
	peer_turn(&client.peer, 20);
	client.quiet = true;
	assert_true(TURN_UNTIL(loop, (clock_advance(100), h2_client_has(&client, "goaway 0 "))));
	assert_non_null(strstr(client.text.data, "1:408 "));
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), client.peer.eof)));
	h2_client_end(&client);
}

static void an_idle_connection_is_closed_with_goaway(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_send(&client);
	peer_turn(&client.peer, 20);
	assert_true(TURN_UNTIL(loop, (clock_advance(100), h2_client_has(&client, "goaway 0 "))));
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), client.peer.eof)));
	h2_client_end(&client);
}

/* Streams that are open go on, and so does one that was on the way. Later ones are refused. */
static void a_busy_connection_gets_goaway_when_a_drain_begins(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/later", true);
	h2_client_ask(&client, 3, "PUT", "/upload", false);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), later_count == 1)));
	weir_server_drain(weir_http_listener(server), NULL, NULL);
	h2_client_expect(&client, "goaway 0 ");
	assert_int_equal(client.goaway_stream, H2_STREAM_ID_MAX);
	h2_client_ask(&client, 5, "GET", "/x", true);
	h2_client_ask(&client, 7, "GET", "/x", true);
	h2_client_put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "body", 4);
	h2_client_send(&client);
	h2_client_await(&client, "3. ");
	h2_client_await(&client, "5. ");
	h2_client_await(&client, "7!7 ");
	assert_int_equal(client.goaway_stream, 5);
	assert_non_null(strstr(client.text.data, "3:200 "));
	client.text.size = 0;
	weir_http_reply_text(later[0], 200, "text/plain", WEIR_SPAN("late"));
	h2_client_expect(&client, "1:200 1:content-length=4 1:\"late\" 1. ");
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), client.peer.eof)));
	h2_client_end(&client);
}

static void trailers_follow_a_body_that_has_waited(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_put_setting(&client, H2_SETTINGS_INITIAL_WINDOW_SIZE, 3);
	h2_client_ask(&client, 1, "GET", "/text-trailers", true);
	h2_client_send(&client);
	h2_client_expect(&client, "1:200 1:content-length=6 1:\"pie\" ");
	h2_client_put32(&client, H2_WINDOW_UPDATE, 1, 100);
	h2_client_send(&client);
	h2_client_expect(&client, "1:\"ce.\" 1:sum=7 1. ");
	h2_client_end(&client);
}

/* Two of them are asked for in turn, so that the second one is made of what the first gave back. */
static void a_stalled_reply_retains_little(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	released = 0;
	client.quiet = true;
	for (uint32_t id = 1; id <= 3; id += 2) {
		h2_client_ask(&client, id, "GET", "/noted", true);
		h2_client_send(&client);
		assert_true(TURN_UNTIL(loop,
		        (h2_client_read(&client),
		                later_count == (id + 1) / 2 && !later[later_count - 1]->handling)));
	}
	h2_client_expect(&client, "1:200 1:content-length=300000 1:x=y "
	                          "3:200 3:content-length=300000 3:x=y ");
	/* A handler that goes on nevertheless does no harm. */
	weir_http_on_gone(later[0], NULL, NULL);
	weir_http_pause(later[0]);
	weir_http_resume(later[0]);
	weir_http_discard(later[0]);
	assert_int_equal(weir_http_log_note(later[0], "key", WEIR_SPAN("value")), 0);
	assert_int_equal(weir_http_add_field(later[0], "X", WEIR_SPAN("z")), WEIR_E_CLOSED);
	assert_int_equal(released, 0);
	h2_client_put32(&client, H2_WINDOW_UPDATE, 1, 300000);
	h2_client_put32(&client, H2_WINDOW_UPDATE, 0, 1000000);
	h2_client_send(&client);
	h2_client_await(&client, "1. ");
	assert_int_equal(released, 1);
	h2_client_put32(&client, H2_RST_STREAM, 3, H2_CANCEL);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(loop, released == 2));
	assert_int_equal(gone_count, 0);
	h2_client_end(&client);
}

/* A client that has ended its side gives no window any more. */
static void streams_that_wait_for_a_window_end_with_the_input(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	client.quiet = true;
	h2_client_ask(&client, 1, "GET", "/large", true);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), client.data_bytes == 65535)));
	shutdown(client.peer.fd, SHUT_WR);
	h2_client_await(&client, "1!8 ");
	assert_true(TURN_UNTIL(loop, (h2_client_read(&client), client.peer.eof)));
	assert_int_equal(hooks_closed, 1);
	assert_int_equal(hook_why, WEIR_CLOSE_ABORTED);
	h2_client_end(&client);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void converse(void)
{
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_put(&client, H2_SETTINGS, H2_FLAG_ACK, 0, NULL, 0);
	h2_client_ask(&client, 1, "GET", "/hello", true);
	h2_client_ask(&client, 3, "PUT", "/pauses", false);
	h2_client_put(&client, H2_DATA, 0, 3, "a", 1);
	h2_client_put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "b", 1);
	h2_client_ask(&client, 5, "GET", "/trailers", true);
	h2_client_ask(&client, 7, "GET", "/gone", true);
	h2_client_ask(&client, 9, "GET", "/large", true);
	for (uint32_t id = 11; id < 15; id += 2) /* so that fields are inserted */
		h2_client_ask(&client, id, "GET", "/hello", true);
	h2_client_send(&client);
	peer_turn(&client.peer, 30);
	h2_client_end(&client);
	peer_turn(&client.peer, 30);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		fail_allocation_after(good, false);
		converse();
		bool failed = stop_failing_allocations();
		assert_true(TURN_UNTIL(loop,
		        (clock_advance(500), !weir_server_channels(weir_http_listener(server)))));
		assert_int_equal(uploads_open, 0);
		if (!failed)
			break;
	}
	replies_leave_in_any_order(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(replies_have_frames_and_no_codings),
	        TEST(fields_are_in_lower_case_and_those_of_the_connection_left_out),
	        TEST(a_large_head_has_continuation_frames),
	        TEST(replies_leave_in_any_order),
	        TEST(a_reset_tells_the_handler_that_waits),
	        TEST(the_end_of_the_connection_tells_the_handler_that_waits),
	        TEST(a_producer_is_not_closed_before_its_bytes_were_taken),
	        TEST(bodies_come_in_any_pieces),
	        TEST(trailers_of_a_request_reach_the_handler),
	        TEST(interim_replies_are_heads_of_their_own),
	        TEST(a_body_that_is_too_large_ends_the_stream_alone),
	        TEST(a_body_that_nobody_receives_is_bounded_by_the_window),
	        TEST(a_body_may_fail_before_it_is_asked_for),
	        TEST(the_window_is_given_back_for_bodies_that_are_dropped),
	        TEST(a_client_that_sends_no_body_is_told_after_a_time),
	        TEST(an_idle_connection_is_closed_with_goaway),
	        TEST(a_busy_connection_gets_goaway_when_a_drain_begins),
	        TEST(trailers_follow_a_body_that_has_waited),
	        TEST(a_stalled_reply_retains_little),
	        TEST(streams_that_wait_for_a_window_end_with_the_input),
	        TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
