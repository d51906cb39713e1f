/* DELE and RSET (RFC 1939 5): marks, that nothing but QUIT acts upon. */
#include <errno.h>
#include <stdlib.h>

#include "pop3_state.h"

void pop3_dele(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_mail_info info;
	size_t index;
	if (!pop3_message(session, command->arguments[0], &index))
		return;
	if (!session->marks)
		session->marks = calloc((session->drop->count + 7) / 8, 1);
	if (!session->marks) {
		pop3_say(session, "-ERR [SYS/TEMP] Try again later\r\n");
		return;
	}
	weir_maildrop_info(session->drop, index, &info);
	session->marks[index / 8] |= (uint8_t)(1 << (index % 8));
	session->marked++;
	session->marked_octets += info.octets;
	pop3_sayf(session, "+OK Message %zu deleted\r\n", index + 1);
}

void pop3_rset(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	free(session->marks);
	session->marks = NULL;
	session->marked = 0;
	session->marked_octets = 0;
	pop3_sayf(session, "+OK %zu messages (%llu octets)\r\n", session->drop->count,
	        (unsigned long long)session->drop->octets);
}
