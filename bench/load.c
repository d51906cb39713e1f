/*
 * The load on a server of HTTP at 127.0.0.1, on one thread. There are three kinds:
 *
 *   requests  keeps connections busy, each with a batch of pending requests; every reply is parsed,
 *             and must be a 200 with as many bytes as the first one had
 *   idle      makes a request on each connection, then holds them open
 *   stalled   makes a request on each connection, with a small receive buffer, and never reads
 *
 * It talks to the measuring program through its standard streams, so that nothing else happens
 * while that program reads its clocks. When the load is warm and no request is pending, it prints
 * the line "ready", and waits for a line. After the last reply it prints its result as a line of
 * JSON. It closes its connections at the end of its input, by reset, so that no port stays in
 * TIME_WAIT. Anything unexpected ends the program with a message and 1.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	INPUT_MAX = 256 << 10,
	DISCARD_MAX = 4 << 20,
	HEAD_MAX = 8 << 10,
	EVENTS_MAX = 256
};
enum {
	PATIENCE_S = 20,
	STALLED_RCVBUF = 4096
};

/* The part of a reply that the next byte belongs to. */
enum state {
	HEAD,
	BODY,
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK,
	TRAILER
};

struct connection {
	int fd;
	enum state state;
	unsigned awaited; /* requests without a reply */
	uint64_t left;    /* bytes left of the body, or of the chunk and its line end */
	uint64_t body;    /* bytes of body so far */
	unsigned line;    /* bytes in the line of the trailer so far */
	char *partial;    /* the first bytes of an incomplete head, or NULL */
	size_t partial_size;
};

/* A parsed head. Nearly all heads are equal to the last one, and are not parsed again. */
struct head {
	char text[HEAD_MAX];
	size_t size;
	bool chunked;
	uint64_t length;
};

static struct options {
	int port, connections, depth;
	double seconds, warm_seconds;
	uint64_t count; /* instead of the seconds, if not 0 */
	const char *path, *header;
} options = {.connections = 1, .depth = 1, .seconds = 1, .warm_seconds = 0.2, .header = ""};

static struct head last;
static uint64_t replies, body_size, body_bytes;
static bool body_size_known;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int connect_to(int port, int rcvbuf)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger reset = {.l_onoff = 1};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "connect to port %d", port);
	return fd;
}

/* Returns the batch of requests that is sent at a time; it is made once. */
static const char *batch(size_t *ret_size)
{
	static char *text;
	static size_t size;
	if (!text) {
		char one[4096];
		int length = snprintf(one, sizeof(one),
		        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n", options.path,
		        options.port, options.header, *options.header ? "\r\n" : "");
		if (length >= (int)sizeof(one))
			errx(2, "the request is too long");
		size = (size_t)length * (size_t)options.depth;
		text = malloc(size);
		if (!text)
			err(1, NULL);
		for (int i = 0; i < options.depth; i++)
			memcpy(text + i * length, one, (size_t)length);
	}
	*ret_size = size;
	return text;
}

static void ask(struct connection *connection)
{
	size_t size;
	const char *requests = batch(&size);
	ssize_t sent = send(connection->fd, requests, size, MSG_NOSIGNAL);
	if (sent != (ssize_t)size)
		err(1, "sent %zd of %zu bytes", sent, size);
	connection->awaited = (unsigned)options.depth;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* Parses a head, with its blank line, into `last`. */
static void read_head(const char *text, size_t size)
{
	char head[HEAD_MAX + 1];
	bool sized = false;
	if (size > HEAD_MAX)
		errx(1, "a head of %zu bytes", size);
	memcpy(last.text, text, size);
	memcpy(head, text, size);
	head[size] = '\0';
	last.size = size;
	last.chunked = false;
	if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
		errx(1, "not a 200: %.*s", (int)strcspn(head, "\r"), head);
	for (char *line = strstr(head, "\r\n") + 2; *line != '\r';
	        line = strstr(line, "\r\n") + 2) {
		if (strncasecmp(line, "Content-Length:", 15) == 0) {
			last.length = strtoull(line + 15, NULL, 10);
			sized = true;
		} else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0) {
			last.chunked = true;
		} else if (strncasecmp(line, "Connection: close", 17) == 0) {
			errx(1, "the server wants to close");
		}
	}
	if (!sized && !last.chunked)
		errx(1, "a reply without a length");
	if (strncasecmp(options.header, "Accept-Encoding: gzip", 21) == 0 &&
	        !strcasestr(head, "\r\nContent-Encoding: gzip\r\n"))
		errx(1, "a reply that is not compressed");
}

static void end_reply(struct connection *connection)
{
	if (!body_size_known) {
		body_size = connection->body;
		body_size_known = true;
	}
	if (connection->body != body_size)
		errx(1, "a body of %ju bytes after one of %ju", (uintmax_t)connection->body,
		        (uintmax_t)body_size);
	if (connection->awaited == 0)
		errx(1, "a reply to no request");
	body_bytes += connection->body;
	connection->awaited--;
	connection->state = HEAD;
	connection->body = 0;
	replies++;
}

static void begin_body(struct connection *connection)
{
	if (last.chunked) {
		connection->state = CHUNK_SIZE;
		connection->left = 0;
		return;
	}
	connection->left = last.length;
	connection->state = BODY;
	if (last.length == 0)
		end_reply(connection);
}

/* Parses the head at the start of the data. Returns how many bytes belong to it. */
static size_t take_head(struct connection *connection, const char *data, size_t size)
{
	if (!connection->partial && size >= last.size && last.size &&
	        memcmp(data, last.text, last.size) == 0) {
		begin_body(connection);
		return last.size;
	}
	const char *end = connection->partial ? NULL : memmem(data, size, "\r\n\r\n", 4);
	if (end) {
		read_head(data, (size_t)(end - data) + 4);
		begin_body(connection);
		return last.size;
	}
	/* A head in two reads is rare, so it is read a byte at a time. */
	if (!connection->partial && !(connection->partial = malloc(HEAD_MAX)))
		err(1, NULL);
	for (size_t i = 0; i < size; i++) {
		char *text = connection->partial;
		if (connection->partial_size == HEAD_MAX)
			errx(1, "a head without an end");
		text[connection->partial_size++] = data[i];
		if (data[i] != '\n' || connection->partial_size < 4 ||
		        memcmp(text + connection->partial_size - 4, "\r\n\r\n", 4) != 0)
			continue;
		read_head(text, connection->partial_size);
		free(connection->partial);
		connection->partial = NULL;
		connection->partial_size = 0;
		begin_body(connection);
		return i + 1;
	}
	return size;
}

static size_t take_data(struct connection *connection, size_t size)
{
	size_t taken = size < connection->left ? size : connection->left;
	connection->left -= taken;
	if (connection->state == BODY) {
		connection->body += taken;
		if (connection->left == 0)
			end_reply(connection);
	} else if (connection->left == 0) {
		connection->state = CHUNK_SIZE;
	}
	return taken;
}

static void take_chunk_size(struct connection *connection, char c)
{
	if (c >= '0' && c <= '9') {
		connection->left = connection->left * 16 + (unsigned)(c - '0');
	} else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
		connection->left = connection->left * 16 + (unsigned)((c | 0x20) - 'a' + 10);
	} else if (c == '\n') {
		bool is_last = connection->left == 0;
		connection->body += connection->left;
		connection->left += 2;
		connection->line = 0;
		connection->state = is_last ? TRAILER : CHUNK;
	} else {
		connection->state = CHUNK_EXTENSION;
	}
}

static void take_trailer(struct connection *connection, char c)
{
	if (c == '\n' && connection->line == 0)
		end_reply(connection);
	else if (c == '\n')
		connection->line = 0;
	else if (c != '\r')
		connection->line++;
}

static void take(struct connection *connection, const char *data, size_t size)
{
	while (size) {
		size_t taken = 1;
		switch (connection->state) {
		case HEAD:
			taken = take_head(connection, data, size);
			break;
		case BODY:
		case CHUNK:
			taken = take_data(connection, size);
			break;
		case CHUNK_EXTENSION:
			if (*data != '\n')
				break;
			connection->state = CHUNK_SIZE;
			/* fallthrough */
		case CHUNK_SIZE:
			take_chunk_size(connection, *data);
			break;
		case TRAILER:
			take_trailer(connection, *data);
			break;
		}
		data += taken;
		size -= taken;
	}
}

static void receive(struct connection *connection)
{
	static char input[INPUT_MAX];
	/*
	 * The kernel discards bytes that belong to the body alone, so reading them costs nothing.
	 */
	if (connection->state == BODY && connection->left > INPUT_MAX) {
		size_t most = connection->left < DISCARD_MAX ? connection->left : DISCARD_MAX;
		ssize_t got = recv(connection->fd, NULL, most, MSG_TRUNC | MSG_DONTWAIT);
		if (got > 0)
			take_data(connection, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			err(1, "recv: %s", got ? "failed" : "closed by the server");
		return;
	}
	ssize_t got = recv(connection->fd, input, sizeof(input), MSG_DONTWAIT);
	if (got > 0)
		take(connection, input, (size_t)got);
	else if (got == 0)
		errx(1, "closed by the server");
	else if (errno != EAGAIN)
		err(1, "recv");
}

/* --- kinds of load ---------------------------------------------------------------------------- */

/*
 * Keeps all connections busy until the time or the count is reached and all replies are in. It
 * polls for events without a pause. Otherwise a slow server would wake the load at each reply, and
 * a fast one never, and waking costs the server CPU time.
 */
static double run(int poller, struct connection *connections, double seconds, uint64_t count)
{
	double began = now(), until = began + seconds;
	uint64_t most = count ? replies + count : UINT64_MAX;
	int busy = options.connections;
	bool over = false;
	for (int i = 0; i < options.connections; i++)
		ask(&connections[i]);
	double heard = began;
	while (busy) {
		struct epoll_event events[EVENTS_MAX];
		int ready = epoll_wait(poller, events, EVENTS_MAX, 0);
		double time = now();
		if (ready > 0)
			heard = time;
		else if (time > heard + PATIENCE_S)
			errx(1, "no reply for %d s", PATIENCE_S);
		over = over || (count ? replies >= most : time >= until);
		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;
			receive(connection);
			if (connection->awaited)
				continue;
			if (over)
				busy--;
			else
				ask(connection);
		}
	}
	return now() - began;
}

static void await_line(void)
{
	while (getchar() != '\n')
		if (feof(stdin) || ferror(stdin))
			exit(0);
}

static void load_requests(void)
{
	static struct connection *connections; /* until the end of the process */
	int poller = epoll_create1(0);
	connections = calloc((size_t)options.connections, sizeof(*connections));
	if (!connections)
		err(1, NULL);
	for (int i = 0; i < options.connections; i++) {
		connections[i].fd = connect_to(options.port, 0);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
		if (epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd, &event))
			err(1, "epoll_ctl");
	}
	run(poller, connections, options.warm_seconds, 0);
	puts("ready");
	await_line();
	replies = body_bytes = 0;
	double seconds = run(poller, connections, options.seconds, options.count);
	printf("{\"replies\": %ju, \"seconds\": %.6f, \"body_size\": %ju, \"body_bytes\": %ju}\n",
	        (uintmax_t)replies, seconds, (uintmax_t)body_size, (uintmax_t)body_bytes);
}

/* Connects one after the other, since only the number of connections matters. */
static void load_held(bool stalled)
{
	options.depth = 1;
	for (int i = 0; i < options.connections; i++) {
		struct connection connection = {
		        .fd = connect_to(options.port, stalled ? STALLED_RCVBUF : 0)};
		ask(&connection);
		if (stalled)
			continue;
		struct timeval patience = {.tv_sec = PATIENCE_S};
		setsockopt(connection.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		while (connection.awaited) {
			char input[4096];
			ssize_t got = recv(connection.fd, input, sizeof(input), 0);
			if (got <= 0)
				err(1, "no reply on connection %d", i);
			take(&connection, input, (size_t)got);
		}
	}
	puts("ready");
}

static void usage(void)
{
	errx(2, "usage: load requests|idle|stalled PORT PATH [--connections N] [--depth N]\n"
	        "  [--seconds S | --count N] [--warm S] [--header 'Name: value']");
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"connections", required_argument, NULL, 'c'},
	        {"depth", required_argument, NULL, 'd'}, {"seconds", required_argument, NULL, 's'},
	        {"count", required_argument, NULL, 'n'}, {"warm", required_argument, NULL, 'w'},
	        {"header", required_argument, NULL, 'h'}, {0}};
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'c':
			options.connections = atoi(optarg);
			break;
		case 'd':
			options.depth = atoi(optarg);
			break;
		case 's':
			options.seconds = atof(optarg);
			break;
		case 'n':
			options.count = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			options.warm_seconds = atof(optarg);
			break;
		case 'h':
			options.header = optarg;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 3 || options.connections < 1 || options.depth < 1)
		usage();
	options.port = atoi(argv[optind + 1]);
	options.path = argv[optind + 2];
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	const char *kind = argv[optind];
	if (strcmp(kind, "requests") == 0)
		load_requests();
	else if (strcmp(kind, "idle") == 0 || strcmp(kind, "stalled") == 0)
		load_held(*kind == 's');
	else
		usage();
	while (getchar() != EOF)
		;
	return 0;
}
