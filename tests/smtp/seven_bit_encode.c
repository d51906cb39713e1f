/*
 * Reads messages from the standard input, each behind its size in decimal and a line feed. Writes
 * each as it is sent to a server that takes 7 bits: "0 SIZE" or, if it cannot be encoded, "1 SIZE";
 * then the message or the reason.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seven_bit.h"

static void put(struct weir_span bytes, bool good)
{
	printf("%d %zu\n", good ? 0 : 1, bytes.size);
	fwrite(bytes.data, 1, bytes.size, stdout);
	fflush(stdout);
}

static void encode(struct weir_span message, const struct seven_bit_plan *plan)
{
	char *text = malloc(SEVEN_BIT_ENCODED_MAX(message.size) + 100 * plan->count);
	size_t size = 0, at = 0;
	for (size_t i = 0; i < plan->count; i++) {
		const struct seven_bit_edit *edit = &plan->edits[i];
		struct seven_bit_encoder encoder = {.action = edit->action};
		memcpy(text + size, message.data + at, edit->start - at);
		size += edit->start - at;
		if (edit->action == SEVEN_BIT_REPLACE)
			size += (size_t)sprintf(text + size, "%s", edit->text);
		for (at = edit->start; at < edit->end; at++)
			if (edit->action != SEVEN_BIT_REPLACE)
				size += seven_bit_encode(&encoder, weir_span(message.data + at, 1),
				        at + 1 == edit->end, text + size);
		at = edit->end;
	}
	memcpy(text + size, message.data + at, message.size - at);
	put(weir_span(text, size + message.size - at), true);
	free(text);
}

int main(void)
{
	size_t size;
	while (scanf("%zu", &size) == 1 && getchar() == '\n') {
		char *bytes = malloc(size + 1);
		struct seven_bit_scan *scan = seven_bit_scan_create();
		struct seven_bit_plan plan = {0};
		const char *fault = NULL;
		if (!bytes || !scan || fread(bytes, 1, size, stdin) != size)
			return 1;
		for (size_t at = 0, step = 1; at < size; at += step, step = step % 97 + 1)
			seven_bit_scan_consume(
			        scan, weir_span(bytes + at, size - at < step ? size - at : step));
		if (seven_bit_scan_finish(scan, &plan, &fault) < 0)
			put(weir_span_of(fault), false);
		else
			encode(weir_span(bytes, size), &plan);
		seven_bit_plan_free(&plan);
		seven_bit_scan_destroy(scan);
		free(bytes);
	}
	return 0;
}
