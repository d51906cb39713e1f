/*
 * The maildrop as a whole: STAT, LIST and UIDL, and the marks of DELE and RSET, which take effect
 * at QUIT (RFC 1939 4 to 7).
 *
 * Multi-line replies are composed while they are sent, some lines at a time, in constant memory.
 * Invariant: while such a reply is in the queue the input is paused, so that no DELE changes it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "pop3_state.h"

enum {
	NUMBER_MAX = 20, /* digits */
	LINE_MAX_LIST = 2 * NUMBER_MAX + WEIR_MAIL_UID_MAX + 4
};

struct pop3_listing {
	struct pop3_session *session;
	size_t index; /* the next message */
	bool uids;
	bool begun;
	bool ended;
	char text[4096]; /* of the lines that are being put */
};

static bool pop3_is_marked(const struct pop3_session *session, size_t index)
{
	return session->marks && session->marks[index / 8] >> (index % 8) & 1;
}

/* -- lines ------------------------------------------------------------------------------------- */

static size_t pop3_list_put_number(char *text, uint64_t number)
{
	char digits[NUMBER_MAX];
	size_t size = 0;
	do
		digits[NUMBER_MAX - ++size] = (char)('0' + number % 10);
	while (number /= 10);
	memcpy(text, digits + NUMBER_MAX - size, size);
	return size;
}

/* Writes "1 120" or "1 whqtswO00WBw418f9t5JxYwZ", and CRLF. */
static size_t pop3_list_put_line(
        const struct pop3_session *session, size_t index, bool uid, char *text)
{
	struct weir_mail_info info;
	weir_maildrop_info(session->drop, index, &info);
	size_t size = pop3_list_put_number(text, index + 1);
	text[size++] = ' ';
	if (uid) {
		size_t length = strlen(info.uid);
		memcpy(text + size, info.uid, length);
		size += length;
	} else {
		size += pop3_list_put_number(text + size, info.octets);
	}
	text[size++] = '\r';
	text[size++] = '\n';
	return size;
}

static size_t pop3_list_left_messages(const struct pop3_session *session)
{
	return session->drop->count - session->marked;
}

static uint64_t pop3_list_left_octets(const struct pop3_session *session)
{
	return session->drop->octets - session->marked_octets;
}

/* -- the long answer --------------------------------------------------------------------------- */

static size_t pop3_list_put_head(struct pop3_listing *listing)
{
	listing->begun = true;
	return (size_t)snprintf(listing->text, sizeof listing->text,
	        "+OK %zu messages (%llu octets)\r\n", pop3_list_left_messages(listing->session),
	        (unsigned long long)pop3_list_left_octets(listing->session));
}

static enum weir_more pop3_list_next(void *context, struct weir_span *ret_item)
{
	struct pop3_listing *listing = context;
	const struct pop3_session *session = listing->session;
	if (listing->ended)
		return WEIR_DONE;
	size_t size = listing->begun ? 0 : pop3_list_put_head(listing);
	size_t count = session->drop->count;
	for (; listing->index < count && sizeof listing->text - size > LINE_MAX_LIST;
	        listing->index++)
		if (!pop3_is_marked(session, listing->index))
			size += pop3_list_put_line(
			        session, listing->index, listing->uids, listing->text + size);
	if (listing->index == count) {
		memcpy(listing->text + size, ".\r\n", 3);
		size += 3;
		listing->ended = true;
	}
	*ret_item = weir_span(listing->text, size);
	return WEIR_MORE;
}

static void pop3_list_end(void *context, enum weir_close_reason why)
{
	struct pop3_listing *listing = context;
	(void)why;
	weir_channel_resume(listing->session->channel);
	free(listing);
}

static void pop3_list_all(struct pop3_session *session, bool uids)
{
	struct pop3_listing *listing = malloc(sizeof *listing);
	if (listing) {
		listing->session = session;
		listing->index = 0;
		listing->uids = uids;
		listing->begun = listing->ended = false;
		weir_channel_pause(session->channel);
	}
	weir_channel_push(session->channel,
	        listing ? weir_produce_iterator(pop3_list_next, pop3_list_end, listing) : NULL);
}

/* -- verbs ------------------------------------------------------------------------------------- */

bool pop3_message(struct pop3_session *session, struct weir_span argument, size_t *ret_index)
{
	uint64_t number;
	if (pop3_number(argument, &number) < 0 || number < 1 || number > session->drop->count) {
		pop3_reply_format(session, "-ERR No such message, the mailbox has %zu\r\n",
		        session->drop->count);
		return false;
	}
	if (pop3_is_marked(session, (size_t)number - 1)) {
		pop3_reply_format(
		        session, "-ERR Message %llu is deleted\r\n", (unsigned long long)number);
		return false;
	}
	*ret_index = (size_t)number - 1;
	return true;
}

static void pop3_list_some(
        struct pop3_session *session, const struct pop3_command *command, bool uids)
{
	char line[4 + LINE_MAX_LIST] = "+OK ";
	size_t index;
	if (!command->count)
		pop3_list_all(session, uids);
	else if (pop3_message(session, command->arguments[0], &index))
		weir_channel_push_copy(session->channel,
		        weir_span(line, 4 + pop3_list_put_line(session, index, uids, line + 4)));
}

void pop3_stat(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_reply_format(session, "+OK %zu %llu\r\n", pop3_list_left_messages(session),
	        (unsigned long long)pop3_list_left_octets(session));
}

void pop3_list(struct pop3_session *session, const struct pop3_command *command)
{
	pop3_list_some(session, command, false);
}

void pop3_uidl(struct pop3_session *session, const struct pop3_command *command)
{
	pop3_list_some(session, command, true);
}

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

/*
 * The reply to QUIT is a producer that removes messages. It begins when the replies before it have
 * been composed, so that no message is removed that is still to be sent. If the connection breaks
 * before, nothing is removed.
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
