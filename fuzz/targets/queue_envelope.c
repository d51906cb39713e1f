/* The file of a queued message's envelope: an accepted one is formatted and parses to the same. */
#include <stdlib.h>
#include <string.h>

#include "mail_queue_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_buffer written(const struct weir_queued *queued)
{
	struct weir_buffer text = {0};
	if (mail_queued_format(queued, &text) < 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_queued *first, *second;
	if (size > 65536 || mail_queued_parse(weir_span(data, size), &first) < 0)
		return 0;
	struct weir_buffer once = written(first);
	if (mail_queued_parse(weir_buffer_span(&once), &second) < 0)
		abort();
	struct weir_buffer twice = written(second);
	if (!weir_span_equal(weir_buffer_span(&once), weir_buffer_span(&twice)))
		abort();
	weir_buffer_finish(&once);
	weir_buffer_finish(&twice);
	mail_queued_free(first);
	mail_queued_free(second);
	return 0;
}
