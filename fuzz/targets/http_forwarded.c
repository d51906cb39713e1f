/* X-Forwarded-For and Forwarded: elements are in the list, and bytes in front change nothing. */
#include <stdlib.h>

#include <weir/address.h>

#include "fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The address of an element is one that can be written. */
static void look_at(struct weir_span element, bool quotes)
{
	struct http_forwarded found = {.scheme = HTTP_SCHEME_UNKNOWN};
	char text[WEIR_ADDRESS_TEXT_MAX];
	int error = quotes ? http_forwarded_parse_element(element, &found)
	                   : http_forwarded_parse_for(element, &found.client);
	if (error == 0 && weir_address_host(&found.client, text) < 2)
		abort();
}

static void walk(const char *data, size_t size, bool quotes)
{
	struct weir_span list = weir_span(data, size), element, again;
	const char *end = data + size;
	while (http_forwarded_cut_last(&list, quotes, &element)) {
		if (!element.size || element.data < data || element.data + element.size > end)
			abort();
		/* The last element alone is cut as it is behind others. */
		struct weir_span alone = element;
		if (!http_forwarded_cut_last(&alone, quotes, &again) ||
		        again.data != element.data || again.size != element.size)
			abort();
		end = element.data;
		look_at(element, quotes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk((const char *)data, size, false);
	walk((const char *)data, size, true);
	return 0;
}
