/* ESMTP parameters, and their values as xtext. */
#include <stdlib.h>

#include "smtp_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span text = weir_span(data, size);
	struct smtp_parameter parameter;
	size_t left = size;
	while (smtp_parameter_next(&text, &parameter) > 0) {
		if (text.size >= left || !parameter.keyword.size ||
		        parameter.has_value != (parameter.value.size > 0))
			abort();
		left = text.size;
		char *decoded = malloc(parameter.value.size + 1);
		long length = smtp_xtext_decode(parameter.value, false, decoded);
		if (length > (long)parameter.value.size)
			abort();
		free(decoded);
	}
	return 0;
}
