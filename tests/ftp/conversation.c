/* The control connection: every verb, what is refused, pipelining, and bytes one by one. */
#include "allocation.h"
#include "site.h"
#include "make_options.h"

#include <weir/peers.h>

static struct weir_ftp_options writable(void)
{
	return OPTIONS(weir_ftp_options, o.rules.writable = true);
}

/* Lines and how their replies begin, one after the other. */
struct exchange {
	const char *line, *reply;
};

static void converse(struct peer *control, const struct exchange *exchanges)
{
	for (; exchanges->line; exchanges++)
		EXPECT(control, exchanges->line, exchanges->reply);
}

static void logins(void **state)
{
	static const struct exchange exchanges[] = {
	        {"PWD", "530 "},
	        {"PASS x", "503 "},
	        {"USER", "501 "},
	        {"USER alice", "331 "},
	        {"PASS wrong", "530 "},
	        {"PASS secret", "503 "},
	        {"USER nobody", "331 "},
	        {"PASS secret", "530 "},
	        {"USER alice", "331 "},
	        {"PASS secret", "230 "},
	        {"PASS secret", "230 "},
	        {"PWD", "257 \"/\""},
	        {"USER ANONYMOUS", "331 "},
	        {"PWD", "530 "},
	        {"PASS", "230 "},
	        {"ACCT x", "202 "},
	        {"REIN", "220 "},
	        {"PWD", "530 "},
	        {"USER ftp", "331 "},
	        {"PASS a@b", "230 "},
	        {"QUIT", "221 "},
	        {0},
	};
	(void)state;
	start_server(writable());
	struct peer control = greet();
	converse(&control, exchanges);
	assert_true(peer_read_end(&control));
	assert_true(control.eof);
	peer_close(&control);
	stop_server();
}

static void wrong_passwords_end_it(void **state)
{
	(void)state;
	start_server(
	        OPTIONS(weir_ftp_options, o.rules.failures_max = 2, o.rules.anonymous = false));
	struct peer control = greet();
	EXPECT(&control, "USER ftp", "331 ");
	EXPECT(&control, "PASS x", "530 ");
	assert_int_equal(logged.kind, WEIR_FTP_LOGIN);
	assert_int_equal(logged.error, -EACCES);
	assert_string_equal(logged.user, "ftp");
	EXPECT(&control, "USER alice", "331 ");
	EXPECT(&control, "PASS x", "421 ");
	assert_true(peer_read_end(&control));
	peer_close(&control);
	stop_server();
}

static void every_verb(void **state)
{
	static const struct exchange exchanges[] = {
	        {"", "500 "},
	        {"NONSENSE", "500 "},
	        {"XYZ", "500 "},
	        {"noop", "200 "},
	        {"SYST", "215 UNIX Type: L8"},
	        {"ALLO 100", "202 "},
	        {"TYPE A", "200 "},
	        {"TYPE A N", "200 "},
	        {"TYPE E", "504 "},
	        {"TYPE I", "200 "},
	        {"TYPE L 8", "200 "},
	        {"TYPE L8", "200 "},
	        {"TYPE L 7", "504 "},
	        {"STRU F", "200 "},
	        {"STRU R", "504 "},
	        {"MODE S", "200 "},
	        {"MODE B", "504 "},
	        {"SMNT x", "502 "},
	        {"CLNT test", "200 "},
	        {"LANG", "200 "},
	        {"LANG en", "200 "},
	        {"LANG en-GB", "200 "},
	        {"LANG fr", "504 "},
	        {"HOST localhost", "503 "},
	        {"OPTS UTF8 ON", "200 "},
	        {"OPTS UTF8", "200 "},
	        {"OPTS UTF8 OFF", "504 "},
	        {"OPTS MLST size;type;x;", "200 MLST OPTS type;size;"},
	        {"OPTS MLST", "200 MLST OPTS\r\n"},
	        {"OPTS X", "501 "},
	        {"HELP RETR", "214 RETR pathname"},
	        {"HELP XYZZY", "502 "},
	        {"HELP", "214-"},
	        {"FEAT", "211-"},
	        {"STAT", "211-"},
	        {"STAT /sub", "213-"},
	        {"STAT /none", "550 "},
	        {"AUTH TLS", "431 "},
	        {"AUTH KERBEROS", "504 "},
	        {"PBSZ 0", "503 "},
	        {"PROT P", "503 "},
	        {"CCC", "533 "},
	        {"CWD sub", "250 "},
	        {"PWD", "257 \"/sub\""},
	        {"XPWD", "257 \"/sub\""},
	        {"CWD none", "550 "},
	        {"CWD ../a.txt", "550 "},
	        {"CDUP", "250 "},
	        {"PWD", "257 \"/\""},
	        {"CDUP", "250 "},
	        {"XCWD /sub", "250 "},
	        {"XCUP", "250 "},
	        {"MKD d\"\"q", "257 \"/d\"\"\"\"q\""},
	        {"MKD d\"\"q", "550 "},
	        {"MKD", "501 "},
	        {"XMKD e", "257 "},
	        {"RMD d\"\"q", "250 "},
	        {"XRMD e", "250 "},
	        {"RMD /", "550 "},
	        {"RMD a.txt", "550 "},
	        {"RMD none", "550 "},
	        {"SIZE a.txt", "213 6\r\n"},
	        {"SIZE sub", "550 "},
	        {"TYPE A", "200 "},
	        {"SIZE a.txt", "550 "},
	        {"TYPE I", "200 "},
	        {"MFMT 20200102030405 a.txt", "213 Modify=20200102030405; a.txt\r\n"},
	        {"MDTM a.txt", "213 20200102030405\r\n"},
	        {"MFMT 20200102 a.txt", "501 "},
	        {"MFMT 20200102030405", "501 "},
	        {"MFMT 20200102030405 none", "550 "},
	        {"MDTM none", "550 "},
	        {"OPTS MLST type;size;modify;", "200 "},
	        {"MLST a.txt",
	                "250-Facts:\r\n Type=file;Size=6;Modify=20200102030405; /a.txt\r\n250 "},
	        {"MLST", "250-Facts:\r\n Type=dir;"},
	        {"MLST none", "550 "},
	        {"SITE CHMOD 600 a.txt", "200 "},
	        {"SITE CHMOD 888 a.txt", "501 "},
	        {"SITE CHMOD 4755 a.txt", "501 "},
	        {"SITE CHMOD 600", "501 "},
	        {"SITE CHMOD 600 none", "550 "},
	        {"SITE HELP", "214 "},
	        {"SITE EXEC ls", "504 "},
	        {"RNTO b.txt", "503 "},
	        {"RNFR none", "550 "},
	        {"RNFR a.txt", "350 "},
	        {"NOOP", "200 "},
	        {"RNTO b.txt", "503 "},
	        {"RNFR a.txt", "350 "},
	        {"RNTO none/b.txt", "550 "},
	        {"RNFR a.txt", "350 "},
	        {"RNTO b.txt", "250 "},
	        {"RNTO c.txt", "503 "},
	        {"DELE a.txt", "550 "},
	        {"DELE sub", "550 "},
	        {"DELE b.txt", "250 "},
	        {"REST 10", "350 "},
	        {"REST -1", "501 "},
	        {"REST x", "501 "},
	        {"REST 99999999999999999999", "501 "},
	        {"REST 9223372036854775808", "501 "},
	        {"RETR none", "550 "},
	        {"RETR sub", "550 "},
	        {"RETR sub/x", "425 "},
	        {"STOR x", "425 "},
	        {"APPE x", "425 "},
	        {"STOU", "425 "},
	        {"LIST", "425 "},
	        {"NLST", "425 "},
	        {"MLSD", "425 "},
	        {"MLSD sub/x", "501 "},
	        {"ABOR", "226 "},
	        {"EPSV 2", "522 "},
	        {"EPSV x", "501 "},
	        {"EPSV 1", "229 "},
	        {"PASV", "227 Entering Passive Mode (127,0,0,1,"},
	        {"ABOR", "226 "},
	        {"PORT 127,0,0,1,200,1", "200 "},
	        {"EPRT |1|127.0.0.1|51201|", "200 "},
	        {"EPRT |2|::1|51201|", "522 "},
	        {"EPRT |3|x|51201|", "522 "},
	        {"EPRT x", "501 "},
	        {"PORT x", "501 "},
	        {"EPSV ALL", "200 "},
	        {"PORT 127,0,0,1,200,1", "503 "},
	        {"PASV", "503 "},
	        {"EPRT |1|127.0.0.1|51201|", "503 "},
	        {"EPSV", "229 "},
	        {"QUIT", "221 "},
	        {0},
	};
	(void)state;
	put("a.txt", "hello\n");
	make_directory("sub");
	put("sub/x", "x");
	start_server(writable());
	struct peer control = log_in("alice");
	converse(&control, exchanges);
	assert_true(peer_read_end(&control));
	peer_close(&control);
	stop_server();
}

/* RFC 2577 3: nobody else's address, no port of a service. */
static void no_bounce(void **state)
{
	static const struct exchange exchanges[] = {
	        {"PORT 127,0,0,2,200,1", "501 "},
	        {"PORT 10,0,0,1,200,1", "501 "},
	        {"PORT 127,0,0,1,3,255", "501 "},
	        {"PORT 127,0,0,1,0,25", "501 "},
	        {"EPRT |1|127.0.0.2|51201|", "501 "},
	        {"EPRT |1|127.0.0.1|1023|", "501 "},
	        {"PORT 127,0,0,1,4,0", "200 "},
	        {0},
	};
	(void)state;
	start_server(writable());
	struct peer control = log_in("alice");
	converse(&control, exchanges);
	peer_close(&control);
	stop_server();
}

static void rights(void **state)
{
	static const struct exchange carol[] = {
	        {"MKD x", "550 "},
	        {"DELE a.txt", "550 "},
	        {"RNFR a.txt", "550 "},
	        {"RMD sub", "550 "},
	        {"STOR x", "550 "},
	        {"APPE x", "550 "},
	        {"STOU", "550 "},
	        {"MFMT 20200102030405 a.txt", "550 "},
	        {"SITE CHMOD 600 a.txt", "550 "},
	        {"SIZE a.txt", "213 "},
	        {"STAT .", "213-"},
	        {0},
	};
	static const struct exchange dave[] = {
	        {"RETR a.txt", "550 "},
	        {"SIZE a.txt", "550 "},
	        {"LIST", "550 "},
	        {"MLST a.txt", "550 "},
	        {"STAT .", "550 "},
	        {"DELE a.txt", "550 "},
	        {"RNFR a.txt", "550 "},
	        {"MKD x", "257 "},
	        {0},
	};
	(void)state;
	put("a.txt", "hello\n");
	make_directory("sub");
	start_server(writable());
	struct peer control = log_in("carol");
	converse(&control, carol);
	peer_close(&control);
	control = log_in("ftp");
	converse(&control, carol);
	peer_close(&control);
	control = log_in("dave");
	converse(&control, dave);
	peer_close(&control);
	stop_server();
	/* Where nothing is writable, nobody writes. */
	start_server(OPTIONS(weir_ftp_options));
	control = log_in("alice");
	converse(&control, carol);
	peer_close(&control);
	stop_server();
}

/* -- no way out -------------------------------------------------------------------------------- */

static void no_way_out(void **state)
{
	static const struct exchange exchanges[] = {
	        {"PWD", "257 \"/\""},
	        {"CWD ..", "250 "},
	        {"PWD", "257 \"/\""},
	        {"SIZE x", "213 "},
	        {"SIZE ../a.txt", "550 "},
	        {"SIZE /a.txt", "550 "},
	        {"SIZE /../../a.txt", "550 "},
	        {"CWD out", "550 "},
	        {"SIZE out/a.txt", "550 "},
	        {"SIZE passwd", "550 "},
	        {"SIZE proc/self/environ", "550 "},
	        {"MKD out/x", "550 "},
	        {"DELE out/etc", "550 "},
	        {"RNFR x", "350 "},
	        {"RNTO out/x", "550 "},
	        {"RNFR x", "350 "},
	        {"RNTO ../../../y", "250 "},
	        {"SITE CHMOD 777 passwd", "550 "},
	        {"MFMT 20200102030405 passwd", "550 "},
	        {"SIZE y", "213 "},
	        {"RMD ..", "550 "},
	        {"RNFR /", "550 "},
	        {0},
	};
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	put("a.txt", "a");
	assert_int_equal(symlink("/", in_scratch("sub/out")), 0);
	assert_int_equal(symlink("/etc/passwd", in_scratch("sub/passwd")), 0);
	assert_int_equal(symlink("/proc", in_scratch("sub/proc")), 0);
	start_server(writable());
	struct peer control = log_in("bob");
	converse(&control, exchanges);
	assert_string_equal(text_of("sub/y"), "x");
	/* A link at the end of what is written is not followed, either. */
	struct peer data = passive(&control);
	EXPECT(&control, "APPE passwd", "550 ");
	EXPECT(&control, "STOR out/tmp/weir-was-here", "550 ");
	peer_close(&data);
	peer_close(&control);
	stop_server();
}

static void hidden_names(void **state)
{
	(void)state;
	make_directory(".git");
	put(".git/config", "x");
	put(".weir-0123456789abcdef", "x");
	put("a", "x");
	start_server(writable());
	struct peer control = log_in("alice");
	EXPECT(&control, "SIZE .git/config", "550 ");
	EXPECT(&control, "CWD .git", "550 ");
	EXPECT(&control, "MKD .x", "550 ");
	assert_string_equal(fetch(&control, "NLST"), "a\r\n");
	peer_close(&control);
	stop_server();
	start_server(OPTIONS(weir_ftp_options, o.rules.writable = true, o.rules.hidden = true));
	control = log_in("alice");
	EXPECT(&control, "SIZE .git/config", "213 ");
	EXPECT(&control, "SIZE .weir-0123456789abcdef", "550 ");
	assert_string_equal(fetch(&control, "NLST -a"), ".git\r\na\r\n");
	peer_close(&control);
	stop_server();
}

/* -- lines ------------------------------------------------------------------------------------- */

static const char session_text[] = "USER alice\r\nPASS secret\nTYPE I\r\nCWD sub\r\nPWD\r\n"
                                   "SIZE x\r\nCDUP\r\nNOOP\r\nMKD n\r\nRMD n\r\nQUIT\r\nNOOP\r\n";
static const char *const session_replies[] = {"331 ", "230 ", "200 ", "250 ", "257 \"/sub\"",
        "213 1", "250 ", "200 ", "257 ", "250 ", "221 ", NULL};

static void expect_session(struct peer *control)
{
	for (const char *const *reply = session_replies; *reply; reply++)
		EXPECT_NEXT(control, *reply);
	assert_true(peer_read_end(control));
	assert_int_equal(control->got.size, 0);
}

static void pipelined(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	start_server(writable());
	struct peer control = greet();
	peer_send(&control, session_text);
	expect_session(&control);
	peer_close(&control);
	/* A client that closes its side then still gets all replies. */
	control = greet();
	peer_send(&control, session_text);
	peer_finish(&control);
	expect_session(&control);
	peer_close(&control);
	stop_server();
}

static void byte_by_byte(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	start_server(writable());
	struct peer control = greet();
	for (size_t i = 0; i < sizeof session_text - 1; i++) {
		peer_send_bytes(&control, session_text + i, 1);
		peer_turn(&control, 2);
	}
	expect_session(&control);
	peer_close(&control);
	stop_server();
}

static void lines_that_are_none(void **state)
{
	static char lines[3 * WEIR_FTP_LINE_MAX];
	(void)state;
	start_server(writable());
	struct peer control = log_in("alice");
	/* Too long by one, just fitting, and far too long. */
	memset(lines, 'a', sizeof lines);
	memcpy(lines, "CWD ", 4);
	memcpy(lines + WEIR_FTP_LINE_MAX + 1, "\n", 2);
	peer_send(&control, lines);
	EXPECT_NEXT(&control, "500 ");
	lines[WEIR_FTP_LINE_MAX] = '\n';
	lines[WEIR_FTP_LINE_MAX + 1] = 0;
	peer_send(&control, lines);
	EXPECT_NEXT(&control, "553 ");
	memset(lines + WEIR_FTP_LINE_MAX, 'a', 3);
	memcpy(lines + sizeof lines - 2, "\n", 2);
	peer_send(&control, lines);
	EXPECT_NEXT(&control, "500 ");
	peer_send_bytes(&control, "CWD a\0b\r\n", 9);
	EXPECT_NEXT(&control, "501 ");
	/* CR NUL is CR. */
	peer_send_bytes(&control, "MKD a\r\0b\r\n", 10);
	const char made[] = "257 \"/a\r\0b\" created.\r\n";
	assert_true(peer_read(&control, sizeof made - 1));
	assert_memory_equal(control.got.data, made, sizeof made - 1);
	control.got.size = 0;
	assert_int_equal(access(in_scratch("a\rb"), F_OK), 0);
	peer_send_bytes(&control, "\xff\xfd\x03NOOP\r\n", 9);
	assert_true(peer_got(&control, "\xff\xfc\x03"
	                               "200 OK.\r\n"));
	peer_close(&control);
	stop_server();
}

/* -- bounds ------------------------------------------------------------------------------------ */

static void too_many_sessions(void **state)
{
	(void)state;
	start_server(OPTIONS(weir_ftp_options, o.rules.sessions_max = 2));
	struct peer first = greet(), second = greet();
	struct peer third = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	EXPECT_NEXT(&third, "421 ");
	assert_true(peer_read_end(&third));
	peer_close(&third);
	peer_close(&first);
	peer_turn(&second, 10);
	first = greet();
	peer_close(&first);
	peer_close(&second);
	stop_server();
}

static void bounded_by_address(void **state)
{
	struct weir_peers *peers;
	(void)state;
	assert_int_equal(weir_peers_create(1, 10, &peers), 0);
	start_server(OPTIONS(weir_ftp_options, o.listener.peers = peers));
	weir_peers_release(peers);
	struct peer first = greet();
	struct peer second = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	EXPECT_NEXT(&second, "421 ");
	peer_close(&second);
	peer_close(&first);
	peer_turn(&first, 10);
	first = greet();
	peer_close(&first);
	stop_server();
}

static void rules_are_swapped(void **state)
{
	static const char *const hosts[] = {"example.org", NULL};
	struct weir_ftp_rules rules = OPTIONS(
	        weir_ftp_rules, o.writable = true, o.welcome = "One\nTwo\n", o.hosts = hosts);
	struct weir_tree *other;
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	start_server(OPTIONS(weir_ftp_options, o.rules = rules));
	struct peer early = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	assert_true(peer_got(&early, "220-One\r\n220 Two\r\n"));
	EXPECT(&early, "HOST example.com", "504 ");
	EXPECT(&early, "HOST Example.org", "220 ");
	EXPECT(&early, "USER ftp", "331 ");
	EXPECT(&early, "PASS x", "230 ");
	EXPECT(&early, "SIZE x", "550 ");
	/* A range without ports is refused. */
	struct weir_ftp_ports *ports;
	assert_int_equal(weir_ftp_ports_create(6, 5, &ports), -EINVAL);
	assert_int_equal(weir_ftp_ports_create(0, 5, &ports), -EINVAL);
	rules = OPTIONS(weir_ftp_rules, o.anonymous = false);
	assert_int_equal(weir_tree_open(NULL, in_scratch("sub"), NULL, &other), 0);
	assert_int_equal(weir_ftp_set(server, &rules, other), 0);
	EXPECT(&early, "TYPE I", "200 ");
	EXPECT(&early, "SIZE x", "213 1");
	struct peer late = greet();
	EXPECT(&late, "HOST example.com", "220 ");
	EXPECT(&late, "USER ftp", "331 ");
	EXPECT(&late, "PASS x", "530 ");
	peer_close(&late);
	peer_close(&early);
	stop_server();
}

static void idle_ones_go(void **state)
{
	(void)state;
	start_server(OPTIONS(weir_ftp_options, o.listener.bounds.idle_ms = 200));
	struct peer control = greet();
	EXPECT_NEXT(&control, "421 ");
	assert_true(peer_read_end(&control));
	peer_close(&control);
	stop_server();
}

/* A session that waits for its next command, with its channel. */
static void idle_ones_are_small(void **state)
{
	enum {
		SESSIONS = 200
	};
	static struct peer peers[SESSIONS];
	(void)state;
	start_server(writable());
	struct peer first = log_in("alice");
	EXPECT(&first, "CWD /", "250 ");
	peer_turn(&first, 10);
	size_t before = memory_in_use();
	for (int i = 0; i < SESSIONS; i++)
		peers[i] = log_in("ftp");
	peer_turn(&first, 10);
	/* The clients of the test hold what they have read. */
	size_t own = 0;
	for (int i = 0; i < SESSIONS; i++)
		own += peers[i].got.capacity;
	size_t each = (memory_in_use() - before - own) / SESSIONS;
	if (each > 768)
		fail_msg("%zu bytes", each);
	print_message("%zu bytes\n", each);
	for (int i = 0; i < SESSIONS; i++)
		peer_close(&peers[i]);
	peer_close(&first);
	stop_server();
}

/* -- disconnects and memory -------------------------------------------------------------------- */

static const char busy_text[] = "USER alice\r\nPASS secret\r\nTYPE I\r\nEPSV\r\nLIST\r\n"
                                "PORT 127,0,0,1,200,1\r\nRETR sub/x\r\nEPSV\r\nSTOR new\r\n"
                                "MKD d\r\nRNFR d\r\nRNTO e\r\nSTAT\r\nSTAT /\r\nMLST\r\nABOR\r\n"
                                "RMD e\r\nHELP\r\nFEAT\r\nQUIT\r\n";

/* Cut off anywhere, in order or by force; nothing is left behind (the sanitizer looks). */
static void disconnects_anywhere(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	start_server(writable());
	for (size_t size = 0; size < sizeof busy_text; size += 3) {
		struct peer control =
		        peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
		peer_send_bytes(&control, busy_text, size);
		peer_turn(&control, (int)(size % 7));
		if (size % 2)
			peer_close(&control);
		else
			peer_reset(&control);
	}
	assert_true(TURN_UNTIL(loop, weir_server_channels(weir_ftp_listener(server)) == 0));
	stop_server();
	assert_int_equal(count_entries("sub"), 1);
}

static void destroyed_anywhere(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	for (size_t size = 0; size < sizeof busy_text; size += 7) {
		start_server(writable());
		struct peer control =
		        peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
		peer_send_bytes(&control, busy_text, size);
		peer_turn(&control, (int)(size % 11) + 2);
		stop_server();
		peer_close(&control);
	}
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	make_directory("sub");
	put("sub/x", "x");
	start_server(writable());
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct peer control =
		        peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
		peer_send(&control, busy_text);
		fail_allocation_after(good, false);
		for (int i = 0; i < 40; i++)
			weir_loop_turn(loop, 1);
		failed = stop_failing_allocations();
		peer_close(&control);
		assert_true(TURN_UNTIL(loop, weir_server_channels(weir_ftp_listener(server)) == 0));
		rmdir(in_scratch("d"));
		rmdir(in_scratch("e"));
		/* It serves on. */
		control = log_in("alice");
		EXPECT(&control, "SIZE sub/x", "213 1");
		peer_close(&control);
	}
	stop_server();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(logins),
	        SCRATCH_TEST(wrong_passwords_end_it),
	        SCRATCH_TEST(every_verb),
	        SCRATCH_TEST(no_bounce),
	        SCRATCH_TEST(rights),
	        SCRATCH_TEST(no_way_out),
	        SCRATCH_TEST(hidden_names),
	        SCRATCH_TEST(pipelined),
	        SCRATCH_TEST(byte_by_byte),
	        SCRATCH_TEST(lines_that_are_none),
	        SCRATCH_TEST(too_many_sessions),
	        SCRATCH_TEST(bounded_by_address),
	        SCRATCH_TEST(rules_are_swapped),
	        SCRATCH_TEST(idle_ones_go),
	        SCRATCH_TEST(idle_ones_are_small),
	        SCRATCH_TEST(disconnects_anywhere),
	        SCRATCH_TEST(destroyed_anywhere),
	        SCRATCH_TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
