/* PROXY headers: a header that is complete is so for its own size alone, and not for less. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header = {0}, again = {0};
	ssize_t whole = proxy_header_read(weir_span(data, size), &header);
	if (whole <= 0)
		return 0;
	if ((size_t)whole > size ||
	        proxy_header_read(weir_span(data, (size_t)whole), &again) != whole ||
	        memcmp(&header, &again, sizeof header) != 0)
		abort();
	for (ssize_t less = 0; less < whole; less++)
		if (proxy_header_read(weir_span(data, (size_t)less), &again) != 0)
			abort();
	return 0;
}
