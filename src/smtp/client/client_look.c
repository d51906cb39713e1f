/*
 * A scan of a message before it is sent to a server without 8BITMIME or SMTPUTF8. It finds out
 * whether the header has bytes beyond ASCII (RFC 6531 3.1: only internationalized addresses and
 * headers need SMTPUTF8), and makes a plan to encode bodies with bytes of 8 bits (RFC 6152 3).
 *
 * The work pool reads through a descriptor of its own, since a connection that ends gives up its
 * message at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>

#include "smtp_client_state.h"

enum {
	CLIENT_LOOK_BYTES = 32 * 1024 /* of one read */
};

struct client_look {
	struct weir_work work;
	struct weir_smtp_client *client; /* NULL: cancelled */
	int fd;
	uint64_t size; /* of the message */
	int error;
	bool header_wide;            /* the header has bytes beyond ASCII */
	struct seven_bit_scan *scan; /* NULL: the server accepts 8 bits */
	struct seven_bit_plan plan;
	uint64_t plan_size; /* of the encoded message */
	const char *fault;  /* why it cannot be encoded; static, or NULL */
	char bytes[CLIENT_LOOK_BYTES];
};

/* The position in the header. LOOK_CR is behind a CR at the start of a line. */
enum look_at {
	LOOK_IN_LINE,
	LOOK_LINE_START,
	LOOK_CR,
	LOOK_ENDED,
};

static enum look_at smtp_client_look_step(enum look_at at, char c)
{
	if (c == '\n')
		return at == LOOK_IN_LINE ? LOOK_LINE_START : LOOK_ENDED;
	return c == '\r' && at == LOOK_LINE_START ? LOOK_CR : LOOK_IN_LINE;
}

static enum look_at look_header(struct client_look *look, enum look_at at, struct weir_span bytes)
{
	for (size_t i = 0; i < bytes.size && at != LOOK_ENDED; i++) {
		look->header_wide |= (bytes.data[i] & 0x80) != 0;
		at = smtp_client_look_step(at, bytes.data[i]);
	}
	return at;
}

/* Reads the message; without a scan only as much as needed. Returns 0 or a negative errno. */
static int look_read(struct client_look *look)
{
	enum look_at at = LOOK_LINE_START;
	uint64_t offset = 0;
	while (offset < look->size && (look->scan || (at != LOOK_ENDED && !look->header_wide))) {
		uint64_t left = look->size - offset;
		size_t want = left < sizeof look->bytes ? (size_t)left : sizeof look->bytes;
		ssize_t got = pread(look->fd, look->bytes, want, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		offset += (uint64_t)got;
		struct weir_span bytes = weir_span(look->bytes, (size_t)got);
		at = look_header(look, at, bytes);
		if (look->scan)
			seven_bit_scan_consume(look->scan, bytes);
	}
	return 0;
}

static void smtp_client_look_run(struct weir_work *work)
{
	struct client_look *look = WEIR_CONTAINER(work, struct client_look, work);
	look->error = look_read(look);
	if (look->error == 0 && look->scan)
		look->error = seven_bit_scan_finish(look->scan, &look->plan, &look->fault);
	if (look->error == WEIR_E_SYNTAX) /* the fault gives the reason */
		look->error = 0;
	if (look->error == 0 && look->plan.count)
		look->error = seven_bit_size(&look->plan, look->fd, look->size, &look->plan_size);
	close(look->fd);
}

static bool smtp_client_look_is_wide(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] & 0x80)
			return true;
	return false;
}

static bool smtp_client_look_has_wide_address(const struct weir_mail_envelope *envelope)
{
	if (smtp_client_look_is_wide(envelope->sender))
		return true;
	for (size_t i = 0; i < envelope->count; i++)
		if (smtp_client_look_is_wide(envelope->recipients[i].address))
			return true;
	return false;
}

static void look_free(struct client_look *look)
{
	seven_bit_scan_destroy(look->scan);
	seven_bit_plan_free(&look->plan);
	free(look);
}

static const char *look_consume(struct weir_smtp_client *client, struct client_look *look)
{
	client->utf8 = client->utf8 && (look->header_wide || smtp_client_look_has_wide_address(
	                                                             client->mail->envelope));
	if (client->utf8 && !client->offers.utf8)
		return "553 5.6.7 The message has an address or a header beyond ASCII, and the "
		       "next server does not offer SMTPUTF8";
	if (look->scan) {
		client->eight_bit = false;
		client->plan = look->plan;
		look->plan = (struct seven_bit_plan){0};
		if (client->plan.count)
			client->size = look->plan_size;
	}
	return look->fault;
}

static void smtp_client_look_done(struct weir_work *work)
{
	struct client_look *look = WEIR_CONTAINER(work, struct client_look, work);
	struct weir_smtp_client *client = look->client;
	int error = look->error;
	const char *fault = NULL;
	if (client) {
		client->look = NULL;
		if (error == 0)
			fault = look_consume(client, look);
	}
	look_free(look);
	if (client && error < 0)
		smtp_client_fail(client, error, NULL);
	else if (client)
		client_send_begin(client, fault);
}

/* A server with SMTPUTF8 must offer 8BITMIME, too (RFC 6531 3.1). */
static bool look_server_has_eight_bits(const struct weir_smtp_client *client)
{
	return client->offers.eight_bit || client->offers.utf8;
}

bool client_look_is_needed(const struct weir_smtp_client *client)
{
	return (client->utf8 && !client->offers.utf8) ||
	       (!look_server_has_eight_bits(client) && !client->mail->envelope->binary);
}

static struct client_look *look_create(struct weir_smtp_client *client)
{
	struct client_look *look = malloc(sizeof *look);
	if (!look)
		return NULL;
	memset(look, 0, offsetof(struct client_look, bytes));
	look->client = client;
	look->size = client->mail->size;
	look->fd = -1;
	if (look_server_has_eight_bits(client))
		return look;
	look->scan = seven_bit_scan_create();
	if (look->scan)
		return look;
	free(look);
	return NULL;
}

int client_look_begin(struct weir_smtp_client *client)
{
	struct client_look *look = look_create(client);
	if (!look)
		return -ENOMEM;
	look->fd = fcntl(client->mail->fd, F_DUPFD_CLOEXEC, 0);
	int error = look->fd < 0 ? -errno : 0;
	if (error == 0) {
		error = weir_work_submit(
		        client->loop, &look->work, smtp_client_look_run, smtp_client_look_done);
		if (error < 0)
			close(look->fd);
	}
	if (error < 0)
		look_free(look);
	else
		client->look = look;
	return error;
}

void client_look_cancel(struct weir_smtp_client *client)
{
	if (client->look)
		client->look->client = NULL;
	client->look = NULL;
}
