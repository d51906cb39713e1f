/*
 * Transfers: files in both directions, lists, aborts, and data connections that nobody should get.
 */
#include "site.h"

#include <sys/socket.h>

#include "allocation.h"
#include "make_options.h"

static struct weir_ftp_options writable(void)
{
	return OPTIONS(weir_ftp_options, o.rules.writable = true);
}

enum {
	LARGE = 3 * 1024 * 1024 + 17
};

static char *large(void)
{
	static char *bytes;
	if (bytes)
		return bytes;
	bytes = malloc(LARGE + 1);
	uint64_t random = 88172645463325252u;
	for (size_t i = 0; i < LARGE; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		bytes[i] = (char)(random >> 32 | 1); /* no NUL: it can be compared as text */
	}
	bytes[LARGE] = 0;
	return bytes;
}

static bool file_is(const char *path, const void *data, size_t size)
{
	char *bytes = malloc(size + 1);
	int fd = open(in_scratch(path), O_RDONLY);
	ssize_t got = fd >= 0 ? read(fd, bytes, size + 1) : -1;
	bool same = got >= 0 && (size_t)got == size && memcmp(bytes, data, (size_t)got) == 0;
	if (fd >= 0)
		close(fd);
	free(bytes);
	return same;
}

/* -- RETR -------------------------------------------------------------------------------------- */

static void retrieves(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	put("small", "hello\nworld\n");
	put("empty", "");
	start_server(writable());
	struct peer control = log_in("alice");
	assert_string_equal(fetch(&control, "RETR large"), large());
	assert_int_equal(logged.kind, WEIR_FTP_SENT);
	assert_int_equal(logged.bytes, LARGE);
	assert_int_equal(logged.code, 226);
	assert_string_equal(logged.path, "/large");
	assert_string_equal(logged.user, "alice");
	assert_string_equal(fetch(&control, "RETR small"), "hello\nworld\n");
	assert_string_equal(fetch(&control, "RETR empty"), "");
	assert_int_equal(logged.error, 0);
	EXPECT(&control, "REST 6", "350 ");
	assert_string_equal(fetch(&control, "RETR small"), "world\n");
	assert_string_equal(fetch(&control, "RETR small"), "hello\nworld\n");
	EXPECT(&control, "REST 12", "350 ");
	assert_string_equal(fetch(&control, "RETR small"), "");
	EXPECT(&control, "REST 1000000", "350 ");
	assert_string_equal(fetch(&control, "RETR large"), large() + 1000000);
	EXPECT(&control, "TYPE A", "200 ");
	assert_string_equal(fetch(&control, "RETR small"), "hello\r\nworld\r\n");
	EXPECT(&control, "REST 6", "350 ");
	assert_string_equal(fetch(&control, "RETR small"), "\nworld\r\n");
	peer_close(&control);
	stop_server();
}

static void restarts_beyond_the_end(void **state)
{
	(void)state;
	put("small", "hello\n");
	start_server(writable());
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	EXPECT(&control, "REST 7", "350 ");
	EXPECT(&control, "RETR small", "554 ");
	/* The data connection is still good for another. */
	EXPECT(&control, "RETR small", "150 ");
	assert_string_equal(read_data(&data), "hello\n");
	EXPECT_NEXT(&control, "226 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* -- STOR and its kin -------------------------------------------------------------------------- */

static void stores(void **state)
{
	(void)state;
	put("old", "old content");
	start_server(writable());
	struct peer control = log_in("alice");
	store(&control, "STOR new", "hello\r\n");
	assert_string_equal(text_of("new"), "hello\r\n");
	assert_int_equal(logged.kind, WEIR_FTP_RECEIVED);
	assert_int_equal(logged.bytes, 7);
	store(&control, "STOR empty", "");
	assert_string_equal(text_of("empty"), "");
	store(&control, "STOR old", "x");
	assert_string_equal(text_of("old"), "x");
	store(&control, "APPE old", "yz");
	assert_string_equal(text_of("old"), "xyz");
	store(&control, "APPE made", "1");
	assert_string_equal(text_of("made"), "1");
	EXPECT(&control, "REST 1", "350 ");
	store(&control, "STOR old", "12");
	assert_string_equal(text_of("old"), "x12");
	EXPECT(&control, "REST 1", "350 ");
	store(&control, "STOR old", "");
	assert_string_equal(text_of("old"), "x");
	store(&control, "STOR large", large());
	assert_true(file_is("large", large(), LARGE));
	EXPECT(&control, "TYPE A", "200 ");
	store(&control, "STOR text", "a\r\nb\nc\r\n");
	assert_string_equal(text_of("text"), "a\nb\nc\n");
	EXPECT(&control, "REST 1", "350 ");
	EXPECT(&control, "STOR text", "554 ");
	peer_close(&control);
	stop_server();
}

static void refuses_to_store(void **state)
{
	(void)state;
	make_directory("sub");
	put("small", "x");
	start_server(OPTIONS(weir_ftp_options, o.rules.writable = true, o.rules.upload_max = 100));
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	EXPECT(&control, "STOR sub", "550 ");
	EXPECT(&control, "STOR none/x", "550 ");
	EXPECT(&control, "APPE sub", "550 ");
	EXPECT(&control, "STOR .weir-x", "550 ");
	EXPECT(&control, "REST 2", "350 ");
	EXPECT(&control, "STOR small", "554 ");
	EXPECT(&control, "STOR more", "150 ");
	peer_send_bytes(&data, large(), 1000);
	EXPECT_NEXT(&control, "552 ");
	assert_true(peer_read_end(&data));
	peer_close(&data);
	assert_null(text_of("more"));
	peer_close(&control);
	stop_server();
}

static void finds_unique_names(void **state)
{
	(void)state;
	start_server(writable());
	struct peer control = log_in("alice");
	for (int i = 0; i < 3; i++) {
		char name[64];
		struct peer data = passive(&control);
		const char *reply = ask(&control, i ? "STOU a" : "STOU");
		assert_int_equal(sscanf(reply, "150 FILE: /%63s", name), 1);
		if (i < 2)
			assert_string_equal(name, i ? "a" : "file");
		else
			assert_memory_equal(name, "a.", 2);
		peer_send(&data, "x");
		peer_close(&data);
		EXPECT_NEXT(&control, "226 ");
		assert_string_equal(text_of(name), "x");
	}
	peer_close(&control);
	stop_server();
}

/* Two at a time may write to different files, not go on with the same one. */
static void one_writer_in_place(void **state)
{
	(void)state;
	start_server(writable());
	struct peer first = log_in("alice"), second = log_in("alice");
	struct peer data = passive(&first), other = passive(&second);
	EXPECT(&first, "APPE a", "150 ");
	EXPECT(&second, "APPE a", "450 ");
	EXPECT(&second, "APPE b", "150 ");
	peer_close(&data);
	EXPECT_NEXT(&first, "226 ");
	peer_close(&other);
	EXPECT_NEXT(&second, "226 ");
	peer_close(&first);
	peer_close(&second);
	stop_server();
}

/* -- what breaks off --------------------------------------------------------------------------- */

static void wait_for_bytes(uint64_t bytes)
{
	struct weir_counters *counters = weir_loop_counters(loop);
	uint64_t until = counters->bytes_in + bytes;
	assert_true(TURN_UNTIL(loop, counters->bytes_in >= until));
}

static void keeps_the_part(void **state)
{
	(void)state;
	put("old", "old");
	start_server(writable());
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	EXPECT(&control, "STOR new", "150 ");
	peer_send(&data, "part");
	wait_for_bytes(4);
	peer_reset(&data);
	EXPECT_NEXT(&control, "426 ");
	assert_string_equal(text_of("new"), "part");
	EXPECT(&control, "SIZE new", "213 4");
	/* Nothing came: what there was stays. */
	data = passive(&control);
	EXPECT(&control, "STOR old", "150 ");
	peer_turn(&data, 5);
	peer_reset(&data);
	EXPECT_NEXT(&control, "426 ");
	assert_string_equal(text_of("old"), "old");
	/* Going on with it. */
	EXPECT(&control, "REST 4", "350 ");
	data = passive(&control);
	EXPECT(&control, "STOR new", "150 ");
	peer_send(&data, " and");
	wait_for_bytes(4);
	EXPECT(&control, "ABOR", "426 ");
	EXPECT_NEXT(&control, "226 ");
	assert_string_equal(text_of("new"), "part and");
	peer_close(&data);
	/* The session goes with it. */
	data = passive(&control);
	EXPECT(&control, "STOR gone", "150 ");
	peer_send(&data, "part");
	wait_for_bytes(4);
	peer_reset(&control);
	assert_true(TURN_UNTIL(loop, text_of("gone")));
	assert_string_equal(text_of("gone"), "part");
	peer_close(&data);
	stop_server();
}

static void leaves_nothing(void **state)
{
	(void)state;
	put("old", "old");
	start_server(OPTIONS(
	        weir_ftp_options, o.rules.writable = true, o.rules.uploads = WEIR_FTP_WHOLE));
	static const char *const lines[] = {
	        "STOR new", "STOR old", "APPE old", "APPE new", "STOU new"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct peer control = log_in("alice");
		struct peer data = passive(&control);
		EXPECT(&control, lines[i], "150 ");
		peer_send(&data, "part");
		wait_for_bytes(4);
		if (i % 2)
			peer_reset(&data);
		else
			peer_send(&control, "ABOR\r\n");
		EXPECT_NEXT(&control, "426 ");
		EXPECT(&control, "NOOP", "2");
		assert_true(
		        TURN_UNTIL(loop, !text_of("new") && strcmp(text_of("old"), "old") == 0));
		peer_close(&data);
		peer_close(&control);
	}
	stop_server();
	assert_int_equal(count_entries("."), 1);
}

static void stalls(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	start_server(OPTIONS(
	        weir_ftp_options, o.rules.writable = true, o.listener.bounds.progress_ms = 300));
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	EXPECT(&control, "STOR new", "150 ");
	peer_send(&data, "part");
	/* Slow is not dead. */
	for (int i = 0; i < 6; i++) {
		for (int turns = 0; turns < 20; turns++)
			weir_loop_turn(loop, 5);
		peer_send(&data, ".");
	}
	assert_int_equal(control.got.size, 0);
	EXPECT_NEXT(&control, "426 ");
	assert_string_equal(text_of("new"), "part......");
	peer_close(&data);
	struct weir_address address = passive_address(&control);
	data = peer_connect(loop, &address, 4096);
	EXPECT(&control, "RETR large", "150 ");
	EXPECT_NEXT(&control, "426 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

static void aborts_a_download(void **state)
{
	(void)state;
	int fd = open(in_scratch("huge"), O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	close(fd);
	start_server(writable());
	struct peer control = log_in("alice");
	struct weir_address address = passive_address(&control);
	struct peer data = peer_connect(loop, &address, 4096);
	EXPECT(&control, "RETR huge", "150 ");
	peer_turn(&data, 20);
	/* STAT during the transfer. */
	EXPECT(&control, "STAT", "213 RETR: ");
	EXPECT(&control, "stat", "213 RETR: ");
	/* Interrupt and synch, the mark as urgent data. */
	peer_send_bytes(&control, "\xff\xf4\xff", 3);
	assert_int_equal(send(control.fd, "\xf2", 1, MSG_OOB), 1);
	EXPECT(&control, "ABOR", "426 ");
	EXPECT_NEXT(&control, "226 ");
	EXPECT(&control, "NOOP", "200 ");
	assert_true(peer_read_end(&data));
	assert_int_equal(logged.error, -ECANCELED);
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* Interrupt and synch before ABOR, in several pieces, urgent or not, with or without IAC. */
static void aborts_with_urgent_bytes(void **state)
{
	static const struct {
		const char *bytes;
		int flags;
	} forms[][5] = {
	        {{"\xff\xf4", MSG_OOB}, {"\xff\xf2", MSG_OOB}},
	        {{"\xff", 0}, {"\xf4", MSG_OOB}, {"\xff", 0}, {"\xf2", MSG_OOB}},
	        {{"\xff", MSG_OOB}, {"\xf4", MSG_OOB}, {"\xff", MSG_OOB}, {"\xf2", MSG_OOB}},
	        {{"\xf4", MSG_OOB}, {"\xf2", MSG_OOB}},
	        {{"\xff\xf4", 0}, {"\xf2", MSG_OOB}},
	        {{"\xff\xf4\xff", MSG_OOB}, {"\xf2", 0}},
	        {{"\xff\xf4\xff\xf2", MSG_OOB}},
	        {{"\xf2", MSG_OOB}},
	};
	(void)state;
	int fd = open(in_scratch("huge"), O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	close(fd);
	start_server(writable());
	struct peer control = log_in("alice");
	for (size_t i = 0; i < 2 * sizeof forms / sizeof forms[0]; i++) {
		struct weir_address address = passive_address(&control);
		struct peer data = peer_connect(loop, &address, 4096);
		EXPECT(&control, "RETR huge", "150 ");
		for (int piece = 0; piece < 5 && forms[i / 2][piece].bytes; piece++) {
			const char *bytes = forms[i / 2][piece].bytes;
			assert_int_equal(
			        send(control.fd, bytes, strlen(bytes), forms[i / 2][piece].flags),
			        strlen(bytes));
			if (i % 2)
				peer_turn(&control, 5);
		}
		EXPECT(&control, "ABOR", "426 ");
		EXPECT_NEXT(&control, "226 ");
		EXPECT(&control, "NOOP", "200 ");
		assert_true(peer_read_end(&data));
		peer_close(&data);
	}
	peer_close(&control);
	stop_server();
}

static void abort_storms(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	start_server(writable());
	struct peer control = log_in("alice");
	struct weir_address address = passive_address(&control);
	struct peer data = peer_connect(loop, &address, 4096);
	EXPECT(&control, "RETR large", "150 ");
	for (int i = 0; i < 2000; i++)
		peer_send(&control, i % 3 ? "ABOR\r\n" : "STAT\r\nABOR\r\n");
	peer_send(&control, "PWD\r\n");
	for (const char *reply = ""; !strstr(reply, "257 ");) {
		reply = next_reply(&control);
		assert_true(reply[0] == '2' || reply[0] == '4');
	}
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* Commands sent ahead wait for the transfer, and are all answered. */
static void commands_wait_for_the_end(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	start_server(writable());
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	peer_send(&control, "RETR large\r\nPWD\r\nSTAT\r\nRETR none\r\nQUIT\r\n");
	EXPECT_NEXT(&control, "150 ");
	assert_string_equal(read_data(&data), large());
	EXPECT_NEXT(&control, "226 ");
	EXPECT_NEXT(&control, "257 ");
	EXPECT_NEXT(&control, "211-");
	EXPECT_NEXT(&control, "550 ");
	EXPECT_NEXT(&control, "221 ");
	assert_true(peer_read_end(&control));
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

static void a_file_that_shrinks(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	start_server(writable());
	struct peer control = log_in("alice");
	struct weir_address address = passive_address(&control);
	struct peer data = peer_connect(loop, &address, 4096);
	EXPECT(&control, "RETR large", "150 ");
	peer_turn(&data, 10);
	assert_int_equal(truncate(in_scratch("large"), 1000), 0);
	assert_true(peer_read_end(&data));
	assert_int_equal(data.error, ECONNRESET);
	EXPECT_NEXT(&control, "451 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* -- lists ------------------------------------------------------------------------------------- */

static void lists(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/b.txt", "hello\n");
	put("sub/a.c", "x");
	put("sub/line\nbreak", "x");
	start_server(writable());
	struct peer control = log_in("alice");
	assert_string_equal(fetch(&control, "NLST sub"), "sub/a.c\r\nsub/b.txt\r\n");
	assert_string_equal(fetch(&control, "NLST sub/"), "sub/a.c\r\nsub/b.txt\r\n");
	assert_string_equal(fetch(&control, "NLST sub/*.c"), "sub/a.c\r\n");
	assert_string_equal(fetch(&control, "NLST sub/*.none"), "");
	assert_string_equal(fetch(&control, "NLST sub/a.c"), "sub/a.c\r\n");
	assert_string_equal(fetch(&control, "NLST -l s*"), "sub\r\n");
	EXPECT(&control, "OPTS MLST type;size;", "200 ");
	assert_string_equal(fetch(&control, "MLSD sub"),
	        "Type=file;Size=1; a.c\r\nType=file;Size=6; b.txt\r\n");
	assert_string_equal(fetch(&control, "MLSD"), "Type=dir; sub\r\n");
	assert_int_equal(logged.kind, WEIR_FTP_LISTED);
	const char *list = fetch(&control, "LIST -la sub");
	assert_non_null(strstr(list, " line?break\r\n"));
	assert_memory_equal(list, "-rw-r--r--   1 ftp      ftp ", 28);
	list = fetch(&control, "LIST sub/b.txt");
	assert_non_null(strstr(list, " sub/b.txt\r\n"));
	const char *status = ask(&control, "STAT sub/*.c");
	assert_non_null(strstr(status, " a.c\r\n213 "));
	struct peer data = passive(&control);
	EXPECT(&control, "LIST none", "550 ");
	EXPECT(&control, "LIST none/x*", "550 No such file or directory.");
	EXPECT(&control, "LIST sub/a.c/x*", "550 Not a directory.");
	EXPECT(&control, "LIST sub/a.c/", "550 Not a directory.");
	EXPECT(&control, "LIST sub/a.c/x", "550 Not a directory.");
	EXPECT(&control, "CWD sub/a.c", "550 Not a directory.");
	EXPECT(&control, "LIST */*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*", "553 ");
	EXPECT(&control, "MLSD sub/a.c", "501 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

static void lists_patterns_of_several_parts(void **state)
{
	(void)state;
	make_directory("a");
	make_directory("b");
	make_directory("b/deep");
	make_directory("b/.hidden");
	make_directory("other");
	put("a/one.txt", "1");
	put("a/two.c", "22");
	put("b/three.txt", "333");
	put("b/deep/four.txt", "4444");
	put("b/.hidden/five.txt", "");
	put("b/.weir-0123456789abcdef", "");
	put("other/six.txt", "");
	put("seven.txt", "");
	assert_int_equal(symlink("b/deep", in_scratch("link")), 0);
	assert_int_equal(symlink("/", in_scratch("out")), 0);
	start_server(writable());
	struct peer control = log_in("alice");
	assert_string_equal(fetch(&control, "NLST */*.txt"),
	        "a/one.txt\r\nb/three.txt\r\nlink/four.txt\r\nother/six.txt\r\n");
	assert_string_equal(fetch(&control, "NLST [ab]/*.txt"), "a/one.txt\r\nb/three.txt\r\n");
	assert_string_equal(fetch(&control, "NLST */deep/*"), "b/deep/four.txt\r\n");
	assert_string_equal(fetch(&control, "NLST */three.txt"), "b/three.txt\r\n");
	assert_string_equal(fetch(&control, "NLST b/*/*"), "b/deep/four.txt\r\n");
	assert_string_equal(fetch(&control, "NLST /?/d*/"), "/b/deep\r\n");
	assert_string_equal(fetch(&control, "NLST */*/*"), "b/deep/four.txt\r\n");
	assert_string_equal(fetch(&control, "NLST .*/*"), "");
	assert_string_equal(fetch(&control, "NLST b/[.]*/*"), "");
	assert_string_equal(fetch(&control, "NLST */../*"), "");
	assert_string_equal(fetch(&control, "NLST seven*/*"), "");
	assert_string_equal(fetch(&control, "NLST none*/x*"), "");
	const char *list = fetch(&control, "LIST b/d*/*");
	assert_non_null(strstr(list, " 4 "));
	assert_non_null(strstr(list, " deep/four.txt\r\n"));
	const char *status = ask(&control, "STAT */*.c");
	assert_non_null(strstr(status, " a/two.c\r\n213 "));
	EXPECT(&control, "CWD b", "250 ");
	assert_string_equal(fetch(&control, "NLST ../a/t*"), "../a/two.c\r\n");
	assert_string_equal(fetch(&control, "NLST d*/f*"), "deep/four.txt\r\n");
	peer_close(&control);
	stop_server();
}

/* Links to the directory that they are in make too many paths. */
static void a_pattern_that_takes_too_long(void **state)
{
	(void)state;
	make_directory("sub");
	for (int i = 0; i < 100; i++) {
		char name[32];
		snprintf(name, sizeof name, "sub/file-%d", i);
		put(name, "");
		snprintf(name, sizeof name, "sub/link-%d", i);
		assert_int_equal(symlink(".", in_scratch(name)), 0);
	}
	start_server(writable());
	struct peer control = log_in("alice");
	struct peer data = passive(&control);
	EXPECT(&control, "NLST sub/l*/l*/l*/l*/l*/none*", "150 ");
	EXPECT_NEXT(&control, "451 The listing could not be completed.");
	peer_close(&data);
	/* ABOR ends it at any time. */
	data = passive(&control);
	EXPECT(&control, "NLST sub/l*/l*/l*/l*/l*/none*", "150 ");
	EXPECT(&control, "ABOR", "426 ");
	EXPECT_NEXT(&control, "226 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

static void lists_many(void **state)
{
	enum {
		FILES = 5000
	};
	(void)state;
	make_directory("sub");
	for (int i = 0; i < FILES; i++) {
		char name[32];
		snprintf(name, sizeof name, "sub/file-%d", i);
		close(open(in_scratch(name), O_WRONLY | O_CREAT, 0644));
	}
	start_server(writable());
	struct peer control = log_in("alice");
	int lines = 0;
	for (const char *at = fetch(&control, "LIST sub"); (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, FILES);
	/* A client that does not read costs a batch, not the directory. */
	struct weir_address address = passive_address(&control);
	struct peer data = peer_connect(loop, &address, 4096);
	size_t before = memory_in_use();
	EXPECT(&control, "MLSD sub", "150 ");
	for (int i = 0; i < 100; i++)
		weir_loop_turn(loop, 1);
	assert_true(memory_in_use() < before + 512 * 1024);
	peer_close(&data);
	EXPECT_NEXT(&control, "426 ");
	peer_close(&control);
	stop_server();
}

/* -- data connections -------------------------------------------------------------------------- */

/* A listener of the client's, for active mode. */
static int listen_here(struct weir_address *ret)
{
	socklen_t size = sizeof *ret;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	*ret = local_address();
	assert_int_equal(bind(fd, &ret->any, sizeof ret->v4), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, &ret->any, &size), 0);
	return fd;
}

static struct peer accept_here(int listener)
{
	struct peer data = {.loop = loop, .fd = -1};
	for (int i = 0; i < 2000 && data.fd < 0; i++) {
		data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		weir_loop_turn(loop, 1);
	}
	assert_true(data.fd >= 0);
	close(listener);
	return data;
}

static void active(void **state)
{
	(void)state;
	put_bytes("large", large(), LARGE);
	start_server(writable());
	struct peer control = log_in("alice");
	for (int i = 0; i < 2; i++) {
		struct weir_address address;
		char line[64];
		int listener = listen_here(&address);
		unsigned port = weir_address_port(&address);
		if (i)
			snprintf(line, sizeof line, "EPRT |1|127.0.0.1|%u|", port);
		else
			snprintf(line, sizeof line, "PORT 127,0,0,1,%u,%u", port / 256, port % 256);
		EXPECT(&control, line, "200 ");
		EXPECT(&control, i ? "STOR copy" : "RETR large", "150 ");
		struct peer data = accept_here(listener);
		if (i)
			peer_send(&data, large());
		else
			assert_string_equal(read_data(&data), large());
		peer_close(&data);
		EXPECT_NEXT(&control, "226 ");
	}
	assert_true(file_is("copy", large(), LARGE));
	/* Nobody is there. */
	struct weir_address address;
	char line[64];
	int listener = listen_here(&address);
	snprintf(line, sizeof line, "EPRT |1|127.0.0.1|%u|", weir_address_port(&address));
	close(listener);
	EXPECT(&control, line, "200 ");
	EXPECT(&control, "RETR large", "150 ");
	EXPECT_NEXT(&control, "425 ");
	peer_close(&control);
	stop_server();
}

/* Somebody else is faster; he gets nothing, and the peer still gets its file. */
static void stolen(void **state)
{
	(void)state;
	put("small", "secret");
	start_server(writable());
	struct peer control = log_in("alice");
	struct weir_address address = passive_address(&control);
	for (int i = 0; i < 3; i++) {
		struct weir_address other = local_address();
		other.v4.sin_addr.s_addr = htonl(0x7f000002);
		struct peer thief = {.loop = loop};
		thief.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(thief.fd, &other.any, sizeof other.v4), 0);
		assert_int_equal(connect(thief.fd, &address.any, sizeof address.v4), 0);
		fcntl(thief.fd, F_SETFL, O_NONBLOCK);
		if (i == 2)
			EXPECT(&control, "RETR small", "150 ");
		assert_true(peer_read_end(&thief));
		assert_int_equal(thief.got.size, 0);
		peer_close(&thief);
	}
	struct peer data = peer_connect(loop, &address, 0);
	assert_string_equal(read_data(&data), "secret");
	EXPECT_NEXT(&control, "226 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* Only one connection is taken, and the port is free again at once. */
static void a_range_of_ports(void **state)
{
	enum {
		FIRST = 23870 /* none that the system gives to clients */
	};
	(void)state;
	struct weir_ftp_ports *ports;
	put("small", "x");
	assert_int_equal(weir_ftp_ports_create(FIRST, FIRST + 1, &ports), 0);
	start_server(OPTIONS(weir_ftp_options, o.rules.ports = ports));
	weir_ftp_ports_release(ports);
	struct peer controls[3];
	for (int i = 0; i < 3; i++)
		controls[i] = log_in("alice");
	struct weir_address one = passive_address(&controls[0]);
	struct weir_address two = passive_address(&controls[1]);
	assert_true(weir_address_port(&one) - FIRST <= 1 && weir_address_port(&two) - FIRST <= 1);
	assert_int_not_equal(weir_address_port(&one), weir_address_port(&two));
	EXPECT(&controls[2], "PASV", "425 ");
	/* Asked again, one gives its own back first. */
	EXPECT(&controls[0], "EPSV", "229 ");
	/* Connected, its port is another's, while the connection lives. */
	for (int i = 0; i < 20; i++) {
		struct peer data = passive(&controls[0]);
		peer_turn(&data, 5);
		struct peer other = passive(&controls[2]);
		EXPECT(&controls[2], "RETR small", "150 ");
		assert_string_equal(read_data(&other), "x");
		EXPECT_NEXT(&controls[2], "226 ");
		EXPECT(&controls[0], "RETR small", "150 ");
		assert_string_equal(read_data(&data), "x");
		EXPECT_NEXT(&controls[0], "226 ");
		peer_close(&data);
		peer_close(&other);
	}
	for (int i = 0; i < 3; i++)
		peer_close(&controls[i]);
	stop_server();
}

static void announces(void **state)
{
	struct weir_address announced;
	(void)state;
	assert_int_equal(weir_address_parse(WEIR_SPAN("192.0.2.7:0"), &announced), 0);
	start_server(OPTIONS(weir_ftp_options, o.rules.announced = announced));
	struct peer control = log_in("alice");
	EXPECT(&control, "PASV", "227 Entering Passive Mode (192,0,2,7,");
	peer_close(&control);
	stop_server();
}

/* The transfer's end comes before the data connection: in whatever order client and server meet. */
static void connects_late(void **state)
{
	(void)state;
	put("small", "hello");
	start_server(writable());
	struct peer control = log_in("alice");
	struct weir_address address = passive_address(&control);
	EXPECT(&control, "RETR small", "150 ");
	peer_turn(&control, 20);
	struct peer data = peer_connect(loop, &address, 0);
	assert_string_equal(read_data(&data), "hello");
	EXPECT_NEXT(&control, "226 ");
	peer_close(&data);
	address = passive_address(&control);
	EXPECT(&control, "STOR new", "150 ");
	EXPECT(&control, "ABOR", "426 ");
	EXPECT_NEXT(&control, "226 ");
	/* Not listening any more. */
	data = peer_connect(loop, &address, 0);
	assert_true(peer_read_end(&data));
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

/* -- rates ------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void rates(void **state)
{
	static char text[200001];
	(void)state;
	memset(text, 'x', sizeof text - 1);
	put("file", text);
	start_server(OPTIONS(weir_ftp_options, o.rules.writable = true, o.rules.rate = 400000));
	struct peer control = log_in("alice");
	int64_t began_ms = now_ms();
	assert_string_equal(fetch(&control, "RETR file"), text);
	/* The bucket is full at first: a quarter of a second's worth. */
	assert_true(now_ms() - began_ms >= 200);
	began_ms = now_ms();
	store(&control, "STOR new", text);
	assert_true(now_ms() - began_ms >= 450);
	peer_close(&control);
	/* His own is less. */
	control = log_in("dave");
	began_ms = now_ms();
	store(&control, "STOR other", text);
	assert_true(now_ms() - began_ms >= 900);
	assert_true(file_is("other", text, sizeof text - 1));
	peer_close(&control);
	stop_server();
}

/* -- memory ------------------------------------------------------------------------------------ */

/* The clients' own buffers, so that only the server meets the failures. */
static struct weir_buffer control_buffer, data_buffer;

static struct peer connect_with(const struct weir_address *address, struct weir_buffer *buffer)
{
	struct peer peer = peer_connect(loop, address, 0);
	peer.got = *buffer;
	peer.got.size = 0;
	return peer;
}

static bool transfer_goes_well(struct peer *control, const char *line)
{
	unsigned port;
	struct weir_address address = local_address();
	const char *bar = strstr(ask(control, "EPSV"), "|||");
	if (!bar || sscanf(bar, "|||%u|", &port) != 1)
		return false;
	address.v4.sin_port = htons((uint16_t)port);
	struct peer data = connect_with(&address, &data_buffer);
	const char *reply = ask(control, line);
	if (reply[0] == '1') {
		if (line[0] == 'S' || line[0] == 'A')
			peer_finish(&data);
		peer_read_end(&data);
		reply = next_reply(control);
	}
	close(data.fd);
	return reply[0] == '2';
}

/* One session with a transfer of each kind, an allocation failing; true: it went well. */
static bool transfers_go_well(void)
{
	static const char *const lines[] = {"RETR small", "STOR new", "LIST", "APPE new", "STAT /"};
	bool well = true;
	struct peer control =
	        connect_with(weir_server_address(weir_ftp_listener(server)), &control_buffer);
	next_reply(&control);
	ask(&control, "USER alice");
	ask(&control, "PASS secret");
	for (size_t i = 0; well && i < sizeof lines / sizeof lines[0]; i++)
		well = transfer_goes_well(&control, lines[i]);
	close(control.fd);
	return well;
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	put("small", "x");
	start_server(writable());
	assert_int_equal(weir_buffer_reserve(&control_buffer, 65536, SIZE_MAX), 0);
	assert_int_equal(weir_buffer_reserve(&data_buffer, 65536, SIZE_MAX), 0);
	assert_true(transfers_go_well());
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		transfers_go_well();
		failed = stop_failing_allocations();
		assert_true(TURN_UNTIL(loop, weir_server_channels(weir_ftp_listener(server)) == 0));
	}
	assert_true(transfers_go_well());
	stop_server();
	weir_buffer_finish(&control_buffer);
	weir_buffer_finish(&data_buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(retrieves),
	        SCRATCH_TEST(restarts_beyond_the_end),
	        SCRATCH_TEST(stores),
	        SCRATCH_TEST(refuses_to_store),
	        SCRATCH_TEST(finds_unique_names),
	        SCRATCH_TEST(one_writer_in_place),
	        SCRATCH_TEST(keeps_the_part),
	        SCRATCH_TEST(leaves_nothing),
	        SCRATCH_TEST(stalls),
	        SCRATCH_TEST(aborts_a_download),
	        SCRATCH_TEST(aborts_with_urgent_bytes),
	        SCRATCH_TEST(abort_storms),
	        SCRATCH_TEST(commands_wait_for_the_end),
	        SCRATCH_TEST(a_file_that_shrinks),
	        SCRATCH_TEST(lists),
	        SCRATCH_TEST(lists_patterns_of_several_parts),
	        SCRATCH_TEST(a_pattern_that_takes_too_long),
	        SCRATCH_TEST(lists_many),
	        SCRATCH_TEST(active),
	        SCRATCH_TEST(stolen),
	        SCRATCH_TEST(a_range_of_ports),
	        SCRATCH_TEST(announces),
	        SCRATCH_TEST(connects_late),
	        SCRATCH_TEST(rates),
	        SCRATCH_TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
