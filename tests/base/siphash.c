/* SipHash against the vectors of its authors (2-4) and against itself (1-3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "siphash.h"

static const struct siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/*
 * vectors_sip128 of the reference implementation: the input is 00 01 02 …, of size 0, 1, 8 and 15.
 */
static void the_vectors_of_its_authors(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		unsigned char wanted[16];
	} vectors[] = {
	        {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7,
	                    0x55, 0x02, 0x93}},
	        {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b,
	                    0x22, 0xfc, 0x45}},
	};
	unsigned char input[64];
	for (unsigned i = 0; i < sizeof input; i++)
		input[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint64_t got[2];
		siphash_24(&key, input, vectors[i].size, got);
		got[0] = htole64(got[0]);
		got[1] = htole64(got[1]);
		assert_memory_equal(got, vectors[i].wanted, 16);
	}
}

static void every_byte_and_the_length_count(void **state)
{
	(void)state;
	char text[40] = {0};
	uint64_t seen[80];
	size_t count = 0;
	for (size_t size = 0; size <= 32; size++)
		seen[count++] = siphash_13(&key, text, size);
	for (size_t i = 0; i < 32; i++) {
		text[i] = 1;
		seen[count++] = siphash_13(&key, text, 32);
		text[i] = 0;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_vectors_of_its_authors),
	        cmocka_unit_test(every_byte_and_the_length_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
