/*
 * The load of sessions on a server of POP3 or FTP at 127.0.0.1. Several run at a time, each on a
 * thread. There are five kinds:
 *
 *   pop3   USER, PASS, STAT, LIST, UIDL, RETR of each message, QUIT; the user is user<thread>
 *   list   FTP: a login, PASV, LIST, QUIT
 *   retr   FTP: PASV, RETR of the path, again and again in one session
 *   stor   FTP: PASV, STOR of `size` bytes at the path with a number behind it, in one session
 *   held   reads the greeting and the replies to the commands in the path (lines, a | between
 *          them), and then stays connected
 *
 * The protocol with the measuring program is that of bench/load. A thread polls for input and
 * yields to the others, so that no server pays for waking it; stor alone sends without polling.
 * Anything unexpected ends the program with a message and 1.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	INPUT_MAX = 64 << 10,
	DATA_MAX = 1 << 20,
	PATIENCE_S = 60
};

struct session {
	int fd;
	unsigned thread;
	size_t begin, end; /* of the unread input */
	uint64_t bytes;    /* of messages, lists and files */
	char line[1024];   /* the last reply's */
	char input[INPUT_MAX];
};

static struct options {
	int port, connections, messages;
	uint64_t count, warm_count, size;
	const char *path;
} options = {.connections = 1, .count = 1, .warm_count = 1, .path = ""};

/* How many sessions or transfers have not begun, and the results of the others. */
static atomic_long to_do;
static atomic_ulong number, bytes;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* -- the wire ---------------------------------------------------------------------------------- */

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "connect to port %d", port);
	return fd;
}

/* Closes by reset: otherwise all ports of the machine would soon be in TIME_WAIT. */
static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* Calls recv until something comes, instead of blocking in it. */
static ssize_t receive(int fd, void *to, size_t size, int flags)
{
	double until = 0;
	for (;;) {
		ssize_t got = recv(fd, to, size, flags | MSG_DONTWAIT);
		if (got >= 0 || errno != EAGAIN)
			return got;
		if (until == 0)
			until = now() + PATIENCE_S;
		else if (now() > until)
			errx(1, "nothing came for %d s", PATIENCE_S);
		sched_yield();
	}
}

static void fill(struct session *session)
{
	if (session->begin == session->end)
		session->begin = session->end = 0;
	if (session->end == INPUT_MAX) {
		session->end -= session->begin;
		memmove(session->input, session->input + session->begin, session->end);
		session->begin = 0;
		if (session->end == INPUT_MAX)
			errx(1, "a line without an end");
	}
	ssize_t got =
	        receive(session->fd, session->input + session->end, INPUT_MAX - session->end, 0);
	if (got <= 0)
		errx(1, "closed by the server, after \"%s\"", session->line);
	session->end += (size_t)got;
}

/* Reads the next line, without its end, which is valid until the next call. */
static char *next_line(struct session *session, size_t *ret_size)
{
	size_t seen = 0;
	for (;;) {
		char *start = session->input + session->begin;
		char *end = memchr(start + seen, '\n', session->end - session->begin - seen);
		if (end) {
			*end = '\0';
			*ret_size = (size_t)(end - start);
			session->begin += *ret_size + 1;
			return start;
		}
		seen = session->end - session->begin;
		fill(session);
	}
}

static void say(struct session *session, const char *text, size_t size)
{
	if (send(session->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
}

/* Reads a reply of one line, or of several in FTP. It must begin with `expected`. */
static void expect(struct session *session, const char *expected)
{
	size_t size;
	char *line;
	do {
		line = next_line(session, &size);
	} while (size > 3 && (line[3] == '-' || *line == ' ') && *line != '+');
	snprintf(session->line, sizeof(session->line), "%s", line);
	if (strncmp(line, expected, strlen(expected)) != 0)
		errx(1, "not %s: %s", expected, line);
}

__attribute__((format(printf, 3, 4))) static void ask(
        struct session *session, const char *expected, const char *form, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, form);
	int size = vsnprintf(text, sizeof(text) - 2, form, arguments);
	va_end(arguments);
	memcpy(text + size, "\r\n", 2);
	say(session, text, (size_t)size + 2);
	expect(session, expected);
}

static void begin_session(struct session *session, const char *expected)
{
	session->begin = session->end = 0;
	session->fd = connect_to(options.port);
	expect(session, expected);
}

/* -- POP3 -------------------------------------------------------------------------------------- */

/* Reads the lines up to the dot. */
static int take_lines(struct session *session)
{
	for (int lines = 0;; lines++) {
		size_t size;
		const char *line = next_line(session, &size);
		if (size == 2 && *line == '.')
			return lines;
		session->bytes += size + 1;
	}
}

static void pop3(struct session *session)
{
	int messages;
	begin_session(session, "+OK");
	ask(session, "+OK", "USER user%u", session->thread);
	ask(session, "+OK", "PASS secret");
	ask(session, "+OK", "STAT");
	messages = atoi(session->line + 4);
	if (messages != options.messages)
		errx(1, "%d messages, not %d", messages, options.messages);
	ask(session, "+OK", "LIST");
	if (take_lines(session) != messages)
		errx(1, "not as many in LIST");
	ask(session, "+OK", "UIDL");
	if (take_lines(session) != messages)
		errx(1, "not as many in UIDL");
	session->bytes = 0;
	for (int i = 1; i <= messages; i++) {
		ask(session, "+OK", "RETR %d", i);
		take_lines(session);
	}
	ask(session, "+OK", "QUIT");
	reset(session->fd);
}

/* -- FTP --------------------------------------------------------------------------------------- */

static void log_in(struct session *session)
{
	begin_session(session, "220");
	ask(session, "", "USER ftp");
	if (strncmp(session->line, "331", 3) == 0) /* some servers want no password */
		ask(session, "230", "PASS secret");
	else if (strncmp(session->line, "230", 3) != 0)
		errx(1, "not logged in: %s", session->line);
	ask(session, "200", "TYPE I");
}

static int passive(struct session *session)
{
	unsigned a[4], high, low;
	ask(session, "227", "PASV");
	const char *at = strchr(session->line, '(');
	if (!at || sscanf(at, "(%u,%u,%u,%u,%u,%u", a, a + 1, a + 2, a + 3, &high, &low) != 6)
		errx(1, "a strange %s", session->line);
	return connect_to((int)(high << 8 | low));
}

/* MSG_TRUNC has the kernel discard the bytes, so that reading them costs nothing. */
static uint64_t take_data(int fd)
{
	uint64_t size = 0;
	for (;;) {
		ssize_t got = receive(fd, NULL, DATA_MAX, MSG_TRUNC);
		if (got < 0)
			err(1, "data");
		if (got == 0)
			break;
		size += (uint64_t)got;
	}
	reset(fd);
	return size;
}

static void list(struct session *session)
{
	log_in(session);
	int fd = passive(session);
	ask(session, "150", "LIST");
	session->bytes += take_data(fd);
	expect(session, "226");
	ask(session, "221", "QUIT");
	reset(session->fd);
}

static void retr(struct session *session)
{
	if (session->fd < 0)
		log_in(session);
	int fd = passive(session);
	ask(session, "150", "RETR %s", options.path);
	uint64_t size = take_data(fd);
	expect(session, "226");
	if (size != options.size)
		errx(1, "%ju bytes", (uintmax_t)size);
	session->bytes += size;
}

static void stor(struct session *session)
{
	static char data[DATA_MAX];
	if (session->fd < 0)
		log_in(session);
	int fd = passive(session);
	unsigned long name = atomic_fetch_add(&number, 1);
	ask(session, "150", "STOR %s%lu", options.path, name);
	for (uint64_t left = options.size; left;) {
		ssize_t sent = send(fd, data, left < DATA_MAX ? left : DATA_MAX, MSG_NOSIGNAL);
		if (sent <= 0)
			err(1, "data");
		left -= (uint64_t)sent;
		session->bytes += (uint64_t)sent;
	}
	close(fd);
	expect(session, "226");
}

/* -- the load ---------------------------------------------------------------------------------- */

static void (*one)(struct session *session);

static void *work(void *context)
{
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		err(1, NULL);
	session->thread = (unsigned)(uintptr_t)context;
	session->fd = -1;
	while (atomic_fetch_sub(&to_do, 1) > 0)
		one(session);
	atomic_fetch_add(&bytes, session->bytes);
	if (session->fd >= 0 && (one == retr || one == stor))
		reset(session->fd);
	free(session);
	return NULL;
}

static double run(uint64_t count)
{
	pthread_t threads[256];
	double began = now();
	bytes = 0;
	to_do = (long)count;
	for (int i = 0; i < options.connections; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i))
			errx(1, "no thread");
	for (int i = 0; i < options.connections; i++)
		pthread_join(threads[i], NULL);
	return now() - began;
}

static void await_line(void)
{
	while (getchar() != '\n')
		if (feof(stdin) || ferror(stdin))
			exit(0);
}

static void load(void)
{
	run(options.warm_count);
	puts("ready");
	await_line();
	double seconds = run(options.count);
	printf("{\"replies\": %ju, \"seconds\": %.6f, \"bytes\": %lu}\n", (uintmax_t)options.count,
	        seconds, (unsigned long)bytes);
}

static void hold(void)
{
	static struct session session;
	struct linger linger = {.l_onoff = 1};
	for (int i = 0; i < options.connections; i++) {
		session.begin = session.end = 0;
		session.fd = connect_to(options.port);
		setsockopt(session.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		expect(&session, "");
		for (const char *at = options.path; *at;) {
			int size = (int)strcspn(at, "|");
			ask(&session, "", "%.*s", size, at);
			if (strchr("45-", *session.line))
				errx(1, "refused: %s", session.line);
			at += size + (at[size] == '|');
		}
	}
	puts("ready");
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"connections", 1, NULL, 'c'},
	        {"count", 1, NULL, 'n'}, {"warm-count", 1, NULL, 'w'}, {"size", 1, NULL, 's'},
	        {"messages", 1, NULL, 'm'}, {NULL, 0, NULL, 0}};
	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (option) {
		case 'c':
			options.connections = atoi(optarg);
			break;
		case 'n':
			options.count = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			options.warm_count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			options.size = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			options.messages = atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 3 || options.connections < 1)
		errx(2, "usage: sessions KIND PORT PATH [--connections N] [--count N] …");
	options.port = atoi(argv[optind + 1]);
	options.path = argv[optind + 2];
}

int main(int argc, char **argv)
{
	static const struct kind {
		const char *name;
		void (*one)(struct session *session);
	} kinds[] = {{"pop3", pop3}, {"list", list}, {"retr", retr}, {"stor", stor}, {"held", NULL},
	        {0}};
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	const struct kind *kind = kinds;
	while (kind->name && strcmp(kind->name, argv[optind]) != 0)
		kind++;
	if (!kind->name)
		errx(2, "no kind %s", argv[optind]);
	one = kind->one;
	if (one)
		load();
	else
		hold();
	while (getchar() != EOF)
		;
	return 0;
}
