/* Replies of an SMTP server, line by line, and its extensions. */
#include <stdlib.h>
#include <string.h>

#include "smtp_client_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_reply reply = {0};
	struct smtp_offers offers = {0};
	struct weir_span rest = weir_span(data, size), line;
	while (rest.size) {
		weir_span_cut(&rest, '\n', &line);
		smtp_offer(&offers, line);
		int done = smtp_reply_line(&reply, line);
		if (done && reply.lines > WEIR_SMTP_REPLY_LINES_MAX + 1)
			abort();
		if (reply.size > WEIR_SMTP_REPLY_MAX || strlen(reply.text) != reply.size)
			abort();
		for (size_t i = 0; i < reply.size; i++)
			if ((unsigned char)reply.text[i] < ' ')
				abort();
		if (done)
			reply = (struct smtp_reply){0};
	}
	return strlen(offers.auth) >= sizeof offers.auth ? abort(), 0 : 0;
}
