/* A disk that is full: 452, and nothing remains. */
#include "site.h"

#include "own_mounts.h"
#include "make_options.h"

static bool says(const char *reply, const char *beginning)
{
	return strncmp(reply, beginning, strlen(beginning)) == 0;
}

/* The server may be the first to end it: what it does not take is not sent. */
static void send_much(struct peer *data)
{
	static char piece[100000];
	for (int i = 0; i < 50; i++)
		if (peer_send_bytes(data, piece, sizeof piece) < sizeof piece)
			return;
}

static void check(void)
{
	static const char *const lines[] = {"STOR new", "APPE new", "STOU new"};
	own_mounts_small_disk(scratch);
	REQUIRE(weir_loop_create(&loop) == 0);
	start_server(OPTIONS(weir_ftp_options, o.rules.writable = true));
	struct peer control = log_in("alice");
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct peer data = passive(&control);
		REQUIRE(says(ask(&control, lines[i]), "150 "));
		send_much(&data);
		REQUIRE(says(next_reply(&control), "452 "));
		peer_close(&data);
		REQUIRE(TURN_UNTIL(loop, count_entries(".") == 0));
	}
	REQUIRE(says(ask(&control, "MKD d"), "257 "));
	peer_close(&control);
	stop_server();
	weir_loop_destroy(loop);
}

static void full_disk(void **state)
{
	(void)state;
	with_own_mounts(check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(full_disk)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
