/*
 * Messages: whatever is read lies inside, and names that were read can be written and read again. A
 * query takes few steps to read, whatever its size.
 */
#include <stdlib.h>

#include <weir/dns_message.h>
#include <weir/limits.h>

#include "dns_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	NAME_STEPS = WEIR_DNS_LABELS_MAX + WEIR_DNS_POINTERS_MAX + 1,
	QUERY_NAMES = 5 /* the question, a record of the two sections behind it, OPT, TSIG */
};

static void walk(struct weir_span message, size_t at)
{
	struct weir_dns_record record;
	static uint8_t copy[4096];
	struct weir_dns_writer writer;
	weir_dns_writer_init(&writer, copy, sizeof copy);
	while (weir_dns_record_read(message, &at, &record) == 0) {
		size_t start = writer.size, back = start;
		struct weir_dns_name name;
		if (record.data.data + record.data.size > message.data + message.size)
			abort();
		if (!weir_dns_put_name(&writer, record.name.wire))
			return;
		if (weir_dns_name_read(weir_span(copy, writer.size), &back, &name) < 0 ||
		        back != writer.size || !weir_dns_name_equal(&name, &record.name))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span message = weir_span(data, size);
	struct weir_dns_query query;
	uint64_t before = dns_name_steps;
	if (weir_dns_query_read(message, &query) == 0 && query.question_end > size)
		abort();
	if (dns_name_steps - before > QUERY_NAMES * NAME_STEPS)
		abort();
	walk(message, size < WEIR_DNS_HEADER_SIZE ? size : WEIR_DNS_HEADER_SIZE);
	walk(message, query.question_end);
	return 0;
}
