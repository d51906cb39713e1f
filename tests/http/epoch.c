/*
 * The first second of 1970. A loop has no date yet when it begins, and must not take that for the
 * date of second 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/http.h>
#include <weir/log.h>

#include "clock.h"
#include "h2_client.h"
#include "web.h"

static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_log *log_of_server;
static char log_path[64];

static void handle(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	weir_http_reply_empty(exchange, 204);
}

static int set_up(void **state)
{
	(void)state;
	clock_hold_at(0);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_loop_wall_s(loop), 0);
	snprintf(log_path, sizeof log_path, "/tmp/weir-epoch-%d", (int)getpid());
	assert_int_equal(weir_log_create(loop, log_path, &log_of_server), 0);
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.http2_prior_knowledge = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	options.log = log_of_server;
	assert_int_equal(weir_http_create(loop, &options, &server), 0);
	return 0;
}

/* Ends the server, so that its log is complete. */
static void end(void)
{
	weir_http_destroy(server);
	weir_log_destroy(log_of_server);
	server = NULL;
	log_of_server = NULL;
}

static int tear_down(void **state)
{
	(void)state;
	end();
	weir_loop_destroy(loop);
	clock_go_on();
	unlink(log_path);
	return 0;
}

static void a_reply_and_its_line_in_the_log_have_their_date(void **state)
{
	char line[512] = "";
	(void)state;
	struct peer peer = peer_connect(loop, weir_server_address(weir_http_listener(server)), 0);
	peer_send(&peer, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_true(peer_read_end(&peer));
	weir_buffer_append(&peer.got, "", 1, SIZE_MAX);
	assert_contains(peer.got.data, "\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
	peer_close(&peer);
	end();
	FILE *log = fopen(log_path, "r");
	assert_non_null(log);
	assert_non_null(fgets(line, sizeof line, log));
	fclose(log);
	assert_contains(line, "[01/Jan/1970:00:00:00 +0000]");
}

static void a_reply_of_http_2_has_its_date(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	h2_client_ask(&client, 1, "GET", "/", true);
	h2_client_send(&client);
	h2_client_expect(&client, "1:204 1. ");
	assert_string_equal(client.date, "Thu, 01 Jan 1970 00:00:00 GMT");
	h2_client_end(&client);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_reply_and_its_line_in_the_log_have_their_date),
	        TEST(a_reply_of_http_2_has_its_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
