/* Names: from text and back is the same name; from wire form, text and back, too. */
#include <stdlib.h>

#include <weir/dns_name.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct weir_dns_name *name)
{
	char text[WEIR_DNS_TEXT_MAX];
	struct weir_dns_name again;
	size_t length = weir_dns_name_format(name, text);
	if (length >= sizeof text || strlen(text) != length ||
	        weir_dns_name_parse(weir_span(text, length), &again) < 0 ||
	        again.size != name->size || memcmp(again.wire, name->wire, name->size) != 0 ||
	        weir_dns_name_compare(&again, name) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_dns_name name;
	size_t at = 0;
	if (weir_dns_name_parse(weir_span(data, size), &name) == 0)
		there_and_back(&name);
	for (size_t i = 0; i < size && i < 300; i++) {
		at = i;
		if (weir_dns_name_read(weir_span(data, size), &at, &name) == 0)
			there_and_back(&name);
	}
	return 0;
}
