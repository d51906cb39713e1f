/* Dates: what was read is written and read again, and is the same. */
#include <stdlib.h>

#include "fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[WEIR_HTTP_DATE_SIZE + 1];
	int64_t seconds, again;
	memset(&seconds, 0, sizeof seconds);
	memcpy(&seconds, data ? data : (const uint8_t *)"",
	        size < sizeof seconds ? size : sizeof seconds);
	http_date_format(seconds, text);
	if (http_date_parse(weir_span_of(text), seconds, &again) != 0)
		abort();
	if (http_date_parse(weir_span(data, size), 1700000000, &seconds) == 0) {
		http_date_format(seconds, text);
		if (http_date_parse(weir_span_of(text), 0, &again) != 0 || again != seconds)
			abort();
	}
	return 0;
}
