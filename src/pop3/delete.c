/*
 * DELE and RSET (RFC 1939 5) set and clear marks, which take effect at QUIT (RFC 1939 4, 6).
 *
 * The reply to QUIT is a producer that removes messages: it begins when the replies before it have
 * been composed, so that no message is removed that is still to be sent. If the connection breaks
 * before, nothing is removed.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "pop3_state.h"

/*
 * -- DELE, RSET ----------------------------------------------------------------------------------
 */

void pop3_dele(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_mail_info info;
	size_t index;
	if (!pop3_message(session, command->arguments[0], &index))
		return;
	if (!session->marks)
		session->marks = calloc((session->drop->count + 7) / 8, 1);
	if (!session->marks) {
		pop3_reply(session, "-ERR [SYS/TEMP] Try again later\r\n");
		return;
	}
	weir_maildrop_info(session->drop, index, &info);
	session->marks[index / 8] |= (uint8_t)(1 << (index % 8));
	session->marked++;
	session->marked_octets += info.octets;
	pop3_reply_format(session, "+OK Message %zu deleted\r\n", index + 1);
}

void pop3_rset(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	free(session->marks);
	session->marks = NULL;
	session->marked = 0;
	session->marked_octets = 0;
	pop3_reply_format(session, "+OK %zu messages (%llu octets)\r\n", session->drop->count,
	        (unsigned long long)session->drop->octets);
}

/*
 * -- QUIT ----------------------------------------------------------------------------------------
 */

struct update {
	struct weir_producer base;
	struct pop3_session *session;
	const char *text; /* of the reply, once the result is known */
	bool begun;
};

static void pop3_quit_removed(struct weir_mail_call *call, int error, size_t count)
{
	struct pop3_session *session = WEIR_CONTAINER(call, struct pop3_session, call);
	struct update *update = session->update;
	session->error = error;
	session->removed = count;
	update->text = error < 0 ? "-ERR [SYS/TEMP] Some deleted messages could not be removed\r\n"
	                         : "+OK Deleted messages removed. Goodbye\r\n";
	weir_wake(&update->base);
}

static enum weir_more pop3_quit_more(struct weir_producer *producer, struct weir_output *out)
{
	struct update *update = (struct update *)producer;
	struct pop3_session *session = update->session;
	if (!update->begun) {
		update->begun = true;
		session->update = update;
		weir_maildrop_remove(
		        session->drop, session->marks, &session->call, pop3_quit_removed);
	}
	if (!update->text)
		return WEIR_WAIT;
	update->text += weir_output_borrow(out, update->text, strlen(update->text));
	return *update->text ? WEIR_MORE : WEIR_DONE;
}

static void pop3_quit_close_update(struct weir_producer *producer, enum weir_close_reason why)
{
	struct update *update = (struct update *)producer;
	(void)why;
	weir_mail_call_cancel(update->session->store, &update->session->call);
	free(update);
}

static struct weir_producer *pop3_quit_create(struct pop3_session *session)
{
	static const struct weir_producer_type type = {
	        .name = "pop3-update", .more = pop3_quit_more, .close = pop3_quit_close_update};
	struct update *update = calloc(1, sizeof *update);
	if (!update)
		return NULL;
	weir_producer_init(&update->base, &type);
	update->session = session;
	return &update->base;
}

void pop3_quit(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	if (session->marked)
		weir_channel_push(session->channel, pop3_quit_create(session));
	else
		pop3_reply(session, "+OK Goodbye\r\n");
	weir_channel_close(session->channel);
}
