/* A copy on disk of any bytes: an accepted one has the text that its head states. */
#include <stdlib.h>

#include <weir/database_copy.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span text;
	int64_t version;
	if (weir_database_copy_parse(
	            weir_span((const char *)data, size), "users", &version, &text) == 0 &&
	        (text.size >= size || text.data + text.size != (const char *)data + size))
		abort();
	return 0;
}
