/*
 * A look at a message before it is sent to a server that does not offer all that its sender asked
 * for: whether it needs that. RFC 6531 3.1: SMTPUTF8 is for internationalized addresses and headers.
 *
 * The work pool reads by a descriptor of its own, since a connection that ends takes its message
 * back at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtp_client_state.h"

enum {
	CLIENT_LOOK_BYTES = 32 * 1024 /* that are read at once */
};

struct client_look {
	struct weir_work work;
	struct weir_smtp_client *client; /* NULL: cancelled */
	int fd;
	int error;
	bool header_wide; /* the header has bytes beyond ASCII */
	char bytes[CLIENT_LOOK_BYTES];
};

/* Where the header goes on: 0 in a line, 1 at its beginning, 2 behind a CR there; 3: it has ended. */
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

static void smtp_client_look_run(struct weir_work *work)
{
	struct client_look *look = WEIR_CONTAINER(work, struct client_look, work);
	enum look_at at = LOOK_LINE_START;
	off_t offset = 0;
	while (at != LOOK_ENDED && !look->header_wide) {
		ssize_t got = pread(look->fd, look->bytes, sizeof look->bytes, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			look->error = -errno;
		if (got <= 0)
			break;
		offset += got;
		for (ssize_t i = 0; i < got && at != LOOK_ENDED; i++) {
			look->header_wide |= (look->bytes[i] & 0x80) != 0;
			at = smtp_client_look_step(at, look->bytes[i]);
		}
	}
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

static void smtp_client_look_done(struct weir_work *work)
{
	struct client_look *look = WEIR_CONTAINER(work, struct client_look, work);
	struct weir_smtp_client *client = look->client;
	int error = look->error;
	bool wide = look->header_wide;
	free(look);
	if (!client)
		return;
	client->look = NULL;
	if (error < 0) {
		smtp_client_fail(client, error, NULL);
		return;
	}
	client->utf8 = wide || smtp_client_look_has_wide_address(client->mail->envelope);
	client_send_begin(client,
	        client->utf8 ? "553 5.6.7 The message has an address or a header beyond ASCII, and "
	                       "the next server does not offer SMTPUTF8"
	                     : NULL);
}

int client_look_begin(struct weir_smtp_client *client)
{
	struct client_look *look = malloc(sizeof *look);
	if (!look)
		return -ENOMEM;
	look->client = client;
	look->error = 0;
	look->header_wide = false;
	look->work = (struct weir_work){0};
	look->fd = fcntl(client->mail->fd, F_DUPFD_CLOEXEC, 0);
	int error = look->fd < 0 ? -errno : 0;
	if (error == 0) {
		error = weir_work_submit(
		        client->loop, &look->work, smtp_client_look_run, smtp_client_look_done);
		if (error < 0)
			close(look->fd);
	}
	if (error < 0)
		free(look);
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
