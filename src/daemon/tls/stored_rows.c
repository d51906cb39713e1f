/* A row has a head, "NAME CHAIN-SIZE KEY-SIZE", and behind it the chain and the key. */
#include "stored_rows.h"

#include <string.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

#include "helper.h"

int stored_row_put(const struct stored_row *row, struct weir_buffer *text)
{
	int error = weir_buffer_format(text, STORED_ROWS_BYTES, "%.*s %zu %zu\n",
	        (int)row->name.size, row->name.data, row->chain.size, row->key.size);
	struct weir_span parts[] = {row->chain, row->key};
	return error ? error : buffer_append_spans(text, parts, 2, STORED_ROWS_BYTES);
}

int stored_row_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct stored_row put = {weir_postgres_row_value(row, 0), weir_postgres_row_value(row, 1),
	        weir_postgres_row_value(row, 2)};
	if (put.name.size == 0 || memchr(put.name.data, ' ', put.name.size) ||
	        memchr(put.name.data, '\n', put.name.size)) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX,
		        "the name of a certificate has a space or a line end");
		return WEIR_E_SYNTAX;
	}
	return stored_row_put(&put, text);
}

bool stored_row_next(struct weir_span *rest, struct stored_row *ret)
{
	struct weir_span head, chain_size, key_size;
	uint64_t chain, key;
	if (!weir_span_cut(rest, '\n', &head))
		return false;
	weir_span_cut(&head, ' ', &ret->name);
	weir_span_cut(&head, ' ', &chain_size);
	key_size = head;
	if (weir_span_number(chain_size, 10, &chain) < 0 ||
	        weir_span_number(key_size, 10, &key) < 0 || chain > rest->size ||
	        key > rest->size - chain)
		return false;
	ret->chain = weir_span(rest->data, (size_t)chain);
	ret->key = weir_span(rest->data + chain, (size_t)key);
	*rest = weir_span_skip(*rest, (size_t)(chain + key));
	return true;
}

int stored_rows_copy(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out)
{
	struct stored_row row;
	size_t left_out = 0;
	int error = 0;
	while (error == 0 && stored_row_next(&text, &row))
		if (weir_database_is_sealed(row.key))
			error = stored_row_put(&row, copy);
		else
			left_out++;
	*ret_left_out = left_out;
	return error;
}

bool stored_row_find(struct weir_span text, struct weir_span name, struct stored_row *ret)
{
	while (stored_row_next(&text, ret))
		if (weir_span_equal(ret->name, name))
			return true;
	return false;
}
