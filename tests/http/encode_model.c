/* Chooses blocks by the dice, encodes them, and compares what the decoders find. */
#include "encode_model.h"

#include <stdlib.h>
#include <string.h>

static struct h2_huffman encode_huffman;

static void encode_model_begin_loop(struct encode_model *model)
{
	memset(&model->intern, 0, sizeof model->intern);
	model->intern.huffman = &encode_huffman;
}

void encode_model_begin(struct encode_model *model)
{
	memset(model, 0, sizeof *model);
	if (!encode_huffman.codes[0].bits)
		h2_huffman_init(&encode_huffman);
	encode_model_begin_loop(model);
	for (unsigned i = 0; i < ENCODE_CONNECTIONS; i++) {
		h2_table_init(&model->connections[i].table);
		hpack_pair_begin(&model->connections[i].client);
	}
}

static void encode_set_free(struct encode_set *set)
{
	free(set->encoded);
	weir_buffer_finish(&set->lines);
	weir_buffer_finish(&set->fields);
	*set = (struct encode_set){0};
}

void encode_model_end(struct encode_model *model)
{
	h2_intern_finish(&model->intern);
	encode_set_free(&model->own);
	for (unsigned i = 0; i < ENCODE_SETS; i++)
		encode_set_free(&model->sets[i]);
	for (unsigned i = 0; i < ENCODE_CONNECTIONS; i++) {
		h2_table_finish(&model->connections[i].table);
		hpack_pair_end(&model->connections[i].client);
	}
}

/* -- what is meant ----------------------------------------------------------------------------- */

static void encode_append(struct weir_buffer *buffer, const void *bytes, size_t size)
{
	if (weir_buffer_append(buffer, bytes, size, SIZE_MAX) < 0)
		abort();
}

/* As the decoders note it. */
static void encode_note(struct weir_buffer *fields, struct weir_span name, struct weir_span value)
{
	size_t sizes[2] = {name.size, value.size};
	encode_append(fields, sizes, sizeof sizes);
	encode_append(fields, name.data, name.size);
	encode_append(fields, value.data, value.size);
}

/* A field of few that there are, so that most come again. The same number is the same field. */
static void encode_set_add(struct encode_set *set, unsigned number, bool shouts)
{
	static const char *const names[] = {"content-type", "vary", "x-powered-by", "set-cookie",
	        "etag", "cache-control", "via", "x", "date", "x-csrf-token",
	        "x-a-name-that-has-more-than-sixty-four-bytes-and-so-needs-another-room-than-others",
	        "strict-transport-security"};
	static const unsigned sizes[] = {0, 1, 5, 12, 20, 20, 60, 130, 400, 990, 1000, 3000};
	char value[3000], name[100];
	size_t size = sizes[number / 7 % 12];
	for (size_t i = 0; i < size; i++)
		value[i] = (char)('a' + (number + i * (number % 5)) % 26);
	size_t name_size = strlen(names[number % 12]);
	memcpy(name, names[number % 12], name_size);
	encode_note(&set->fields, weir_span(name, name_size), weir_span(value, size));
	if (shouts)
		for (size_t i = 0; i < name_size; i++)
			name[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
	encode_append(&set->lines, name, name_size);
	encode_append(&set->lines, ":\t ", 1 + number % 3);
	encode_append(&set->lines, value, size);
	encode_append(&set->lines, "\r\n", 2);
}

static void encode_set_fill(struct encode_set *set, struct dice *dice, unsigned variety)
{
	encode_set_free(set);
	for (unsigned fields = dice_throw(dice, 6); fields; fields--) {
		if (dice_throw(dice, 20) == 0)
			encode_append(&set->lines, "Connection: x\r\n", 15);
		encode_set_add(set, dice_throw(dice, variety), dice_throw(dice, 12) == 0);
	}
}

static void encode_model_resize(struct encode_model *model, struct dice *dice)
{
	static const uint32_t sizes[] = {0, 30, 64, 150, 700, 4095, 4096, 4097, 65536, UINT32_MAX};
	struct encode_connection *connection = &model->connections[model->connection];
	for (unsigned times = 1 + dice_throw(dice, 3); times; times--) {
		uint32_t size = sizes[dice_throw(dice, sizeof sizes / sizeof *sizes)];
		h2_table_set_size(&connection->table, size);
		if (nghttp2_hd_inflate_change_table_size(connection->client.model, size) != 0)
			abort();
	}
}

void encode_model_plan(struct encode_model *model, struct dice *dice)
{
	model->connection = dice_throw(dice, ENCODE_CONNECTIONS);
	if (dice_throw(dice, 30) == 0)
		encode_model_resize(model, dice);
	if (dice_throw(dice, 300) == 0) { /* what was encoded goes on to be used */
		h2_intern_finish(&model->intern);
		encode_model_begin_loop(model);
	}
	if (dice_throw(dice, 10) == 0 || !h2_encode_has_date(&model->date, model->second)) {
		char date[30] = "Mon, 30 Nov 2026 12:00:00 GMT";
		model->second += h2_encode_has_date(&model->date, model->second);
		date[24] = (char)('0' + model->second % 10);
		h2_encode_date(&model->date, &model->intern, model->second, date);
	}
	model->set = dice_throw(dice, ENCODE_SETS + 1);
	if (model->set < ENCODE_SETS && dice_throw(dice, 40) == 0)
		encode_set_fill(&model->sets[model->set], dice, 30);
	encode_set_fill(&model->own, dice, dice_throw(dice, 4) ? 12 : 1000);
}

/* -- what is sent ------------------------------------------------------------------------------ */

void encode_model_encode(struct encode_model *model)
{
	struct h2_table *table = &model->connections[model->connection].table;
	char *to = model->block;
	if (table->resized)
		to = h2_table_put_updates(table, to);
	to = h2_encode_put_date(to, table, &model->date);
	if (model->set < ENCODE_SETS) {
		struct encode_set *set = &model->sets[model->set];
		struct weir_span lines = weir_buffer_span(&set->lines);
		if (!set->encoded)
			set->encoded = h2_encode_lines(&model->intern, lines);
		to = set->encoded ? h2_encode_put_encoded(to, table, set->encoded)
		                  : h2_encode_put_lines(to, table, &model->intern, lines);
	}
	to = h2_encode_put_lines(to, table, &model->intern, weir_buffer_span(&model->own.lines));
	model->size = (size_t)(to - model->block);
	model->size_max = H2_TABLE_UPDATES_MAX + sizeof model->date.literal +
	                  h2_encode_lines_max(model->own.lines.size);
	if (model->set < ENCODE_SETS)
		model->size_max += h2_encode_lines_max(model->sets[model->set].lines.size);
}

/* The encoder knows the newest entries of the decoder, and all of them if they are not many. */
static const char *encode_compare_tables(
        const struct h2_table *table, const struct h2_hpack *hpack, bool starved)
{
	unsigned size = 0;
	if (table->size_max != hpack->size_max)
		return "another size of the table";
	if (table->count != hpack->count &&
	        ((table->count != H2_TABLE_ENTRIES && !starved) || table->count > hpack->count))
		return "another count of entries";
	for (unsigned nth = 1; nth <= table->count; nth++) {
		const struct h2_hpack_entry *entry = h2_hpack_entry(hpack, nth);
		uint64_t id = h2_table_entry(table, nth);
		if (h2_id_size(id) !=
		        entry->name_size + entry->value_size + (unsigned)H2_HPACK_FIELD_EXTRA)
			return "an entry of another size";
		size += h2_id_size(id);
	}
	return size == table->size ? NULL : "a size that is not that of the entries";
}

const char *encode_model_check(struct encode_model *model)
{
	struct encode_connection *connection = &model->connections[model->connection];
	struct weir_buffer meant = {0};
	encode_note(&meant, WEIR_SPAN("date"), weir_span("Mon, 30 Nov 2026 12:00:00 GMT", 29));
	meant.data[meant.size - 5] = (char)('0' + model->second % 10);
	if (model->set < ENCODE_SETS)
		encode_append(&meant, model->sets[model->set].fields.data,
		        model->sets[model->set].fields.size);
	encode_append(&meant, model->own.fields.data, model->own.fields.size);
	const char *difference =
	        hpack_pair_decode(&connection->client, weir_span(model->block, model->size));
	if (!difference && connection->client.broken)
		difference = "a malformed block";
	if (!difference && !weir_span_equal(weir_buffer_span(&connection->client.fields),
	                           weir_buffer_span(&meant)))
		difference = "other fields than meant";
	weir_buffer_finish(&meant);
	if (model->size > model->size_max)
		difference = "more bytes than there must be room for";
	if (difference)
		return difference;
	return encode_compare_tables(&connection->table, &connection->client.ours, model->starved);
}
