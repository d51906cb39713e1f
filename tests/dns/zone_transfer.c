/* Transfers as producers: the same bytes whatever the room, and whole records in every message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/dns_message.h>

#include "allocation.h"
#include "drain.h"
#include "zone_transfer.h"
#include "zone_builder.h"

static struct weir_loop *loop;
static struct weir_dns_zone_entry entry;

static const char query[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0\1z\0\0\xfc\0\1";

static void add(
        struct dns_builder *builder, const char *text, uint16_t type, const void *data, size_t size)
{
	struct weir_dns_name owner;
	assert_int_equal(weir_dns_name_parse(weir_span_of(text), &owner), 0);
	assert_int_equal(dns_builder_add(builder, &owner, type, 300, weir_span(data, size), 0), 0);
}

/* Small records, some that fill half a message, and one as large as a record can be. */
static int make_zone(void **state)
{
	static uint8_t huge[65000];
	struct dns_builder builder;
	struct weir_dns_name apex;
	(void)state;
	weir_dns_name_parse(WEIR_SPAN("z"), &apex);
	if (weir_loop_create(&loop) < 0 || dns_builder_init(&builder, &apex) < 0)
		return -1;
	add(&builder, "z", WEIR_DNS_SOA, "\2ns\1z\0\0\0\0\0\7\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", 27);
	add(&builder, "z", WEIR_DNS_NS, "\2ns\1z\0", 6);
	for (unsigned i = 0; i < 2000; i++) {
		char text[32];
		snprintf(text, sizeof text, "host%u.z", i);
		add(&builder, text, WEIR_DNS_A, &i, sizeof i);
		if (i % 500 == 7)
			add(&builder, text, 1234, huge, 9000);
	}
	add(&builder, "huge.z", 1234, huge, sizeof huge);
	int error = dns_builder_finish(&builder, NULL, NULL, &entry.zone);
	dns_builder_free(&builder);
	return error;
}

static int free_zone(void **state)
{
	(void)state;
	weir_dns_zone_release(entry.zone);
	weir_loop_destroy(loop);
	return 0;
}

static struct weir_producer *begin(struct weir_span message)
{
	struct weir_dns_outcome outcome = {.transfer = &entry};
	return dns_transfer(&outcome, NULL, message, loop);
}

/* The records of all messages; *ret_soas has the positions of the first and the last SOA record. */
static unsigned count_records(struct weir_span bytes, unsigned *ret_messages, unsigned *ret_last)
{
	unsigned count = 0;
	*ret_messages = 0;
	while (bytes.size) {
		struct weir_dns_header header;
		struct weir_dns_record record;
		struct weir_dns_question question;
		assert_true(bytes.size >= 2);
		size_t size = (size_t)(uint8_t)bytes.data[0] << 8 | (uint8_t)bytes.data[1];
		size_t at = WEIR_DNS_HEADER_SIZE;
		assert_true(size <= bytes.size - 2);
		struct weir_span message = weir_span(bytes.data + 2, size);
		assert_true(weir_dns_header_read(message, &header));
		assert_int_equal(header.id, 0x1234);
		assert_int_equal(header.flags, WEIR_DNS_QR | WEIR_DNS_AA);
		assert_int_equal(header.counts[WEIR_DNS_QUESTION], *ret_messages ? 0 : 1);
		if (header.counts[WEIR_DNS_QUESTION])
			assert_int_equal(weir_dns_question_read(message, &at, &question), 0);
		assert_true(header.counts[WEIR_DNS_ANSWER] > 0);
		for (unsigned i = 0; i < header.counts[WEIR_DNS_ANSWER]; i++, count++) {
			assert_int_equal(weir_dns_record_read(message, &at, &record), 0);
			assert_int_equal(record.rr_class, WEIR_DNS_IN);
			*ret_last = record.type;
			if (count == 0)
				assert_int_equal(record.type, WEIR_DNS_SOA);
		}
		assert_int_equal(at, size);
		++*ret_messages;
		bytes = weir_span_skip(bytes, size + 2);
	}
	return count;
}

static void every_room_gives_the_same_bytes(void **state)
{
	static const size_t rooms[] = {0, 1000, 65536, 1 << 20};
	struct weir_buffer first = {0};
	(void)state;
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		struct drain drained = {.loop = loop, .room = rooms[i], .dice = {.state = 9}};
		unsigned messages, last = 0;
		const char *fault = drain(&drained, begin(weir_span(query, sizeof query - 1)));
		if (fault)
			fail_msg("%s", fault);
		assert_int_equal(drained.end, WEIR_DONE);
		assert_int_equal(count_records(weir_buffer_span(&drained.bytes), &messages, &last),
		        2 + 1 + 2000 + 4 + 1);
		assert_int_equal(last, WEIR_DNS_SOA);
		assert_in_range(messages, 5, 20);
		if (!first.size)
			weir_buffer_append(
			        &first, drained.bytes.data, drained.bytes.size, SIZE_MAX);
		assert_true(weir_span_equal(
		        weir_buffer_span(&first), weir_buffer_span(&drained.bytes)));
		drain_free(&drained);
	}
	weir_buffer_finish(&first);
}

static void who_is_up_to_date_gets_the_soa(void **state)
{
	char ixfr[] = "\x12\x34\0\0\0\1\0\0\0\1\0\0\1z\0\0\xfb\0\1"
	              "\1z\0\0\6\0\1\0\0\0\0\0\26\0\0\0\0\0\7\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1";
	size_t size = sizeof ixfr - 1, serial = size - 17;
	(void)state;
	for (unsigned theirs = 6; theirs <= 8; theirs++) {
		struct drain drained = {.loop = loop, .room = 65536};
		unsigned messages, last;
		ixfr[serial] = (char)theirs;
		assert_null(drain(&drained, begin(weir_span(ixfr, size))));
		unsigned count = count_records(weir_buffer_span(&drained.bytes), &messages, &last);
		assert_int_equal(count, theirs < 7 ? 2008 : 1);
		drain_free(&drained);
	}
}

static void ended_early_or_without_memory(void **state)
{
	struct drain drained = {.loop = loop, .room = 5000, .stop_at = 20000};
	(void)state;
	assert_null(drain(&drained, begin(weir_span(query, sizeof query - 1))));
	drain_free(&drained);
	fail_allocation_after(0, false);
	assert_null(begin(weir_span(query, sizeof query - 1)));
	assert_true(stop_failing_allocations());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_room_gives_the_same_bytes),
	        cmocka_unit_test(who_is_up_to_date_gets_the_soa),
	        cmocka_unit_test(ended_early_or_without_memory),
	};
	return cmocka_run_group_tests(tests, make_zone, free_zone);
}
