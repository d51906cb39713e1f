/* Paths: an accepted path is within the bounds, and parses again as a mailbox. */
#include <stdlib.h>

#include "smtp_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span text = weir_span(data, size);
	struct smtp_mailbox mailbox, again;
	char local[WEIR_SMTP_LOCAL_MAX], rewritten[SMTP_REWRITTEN_MAX];
	struct weir_span lenient = text;
	if (smtp_path_parse_lenient(&lenient, rewritten, &mailbox) == 0 &&
	        (lenient.size > size || mailbox.local.size > WEIR_SMTP_LOCAL_MAX ||
	                mailbox.address.size > SMTP_ADDRESS_MAX ||
	                smtp_local_decode(mailbox.local, local).size > mailbox.local.size))
		abort();
	if (smtp_path_parse(&text, &mailbox) < 0)
		return 0;
	if (text.size > size || mailbox.local.size > SMTP_LOCAL_STRICT_MAX ||
	        mailbox.domain.size > WEIR_SMTP_DOMAIN_MAX ||
	        mailbox.address.size > WEIR_SMTP_PATH_MAX - 2)
		abort();
	for (size_t i = 0; i < mailbox.address.size; i++)
		if ((unsigned char)mailbox.address.data[i] < ' ')
			abort();
	if (mailbox.domain.size && (smtp_mailbox_parse(mailbox.address, &again) < 0 ||
	                                   !weir_span_equal(again.local, mailbox.local)))
		abort();
	if (smtp_local_decode(mailbox.local, local).size > mailbox.local.size)
		abort();
	return 0;
}
