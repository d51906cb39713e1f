/*
 * The attributes of a user, key=value, and the value of `scram`.
 *
 * Invariant: weir_scram_parse accepts what weir_scram_format writes. The `scram` of a snapshot was
 * checked when the file was parsed.
 */
#include <stdio.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/error.h>

#include "users_state.h"

/* -- key=value --------------------------------------------------------------------------------- */

/* Cuts the next key=value off. Returns false if there is none. A word without `=` is skipped. */
static bool users_value_next(
        struct weir_span *rest, struct weir_span *ret_key, struct weir_span *ret_value)
{
	while (rest->size) {
		struct weir_span word, key, value = *rest;
		weir_span_cut(&value, ' ', &word);
		if (!weir_span_cut(&word, '=', &key)) {
			*rest = value;
			continue;
		}
		if (word.size && word.data[0] == '"') {
			value = weir_span_skip(*rest, key.size + 2);
			weir_span_cut(&value, '"', &word);
		}
		*rest = value;
		*ret_key = key;
		*ret_value = word;
		return true;
	}
	return false;
}

bool users_rest_value(struct weir_span rest, struct weir_span key, struct weir_span *ret)
{
	struct weir_span found, value;
	while (users_value_next(&rest, &found, &value)) {
		if (!weir_span_equal(found, key))
			continue;
		*ret = value;
		return true;
	}
	return false;
}

bool weir_users_value(const struct weir_users *users, struct weir_span name, struct weir_span key,
        struct weir_span *ret)
{
	const struct user *user = users_find(users, name);
	return user && users_rest_value(user->rest, key, ret);
}

/* -- SCRAM ------------------------------------------------------------------------------------- */

static bool users_value_parse_key(struct weir_span text, unsigned char key[32])
{
	char bytes[33];
	size_t size;
	if (weir_base64_decode(text, bytes, sizeof bytes, &size) < 0 || size != 32)
		return false;
	memcpy(key, bytes, 32);
	return true;
}

int weir_scram_parse(struct weir_span text, struct weir_scram *ret)
{
	struct weir_span word;
	struct weir_scram scram = {0};
	uint64_t iterations;
	size_t size = 0;
	if (!weir_span_cut(&text, '$', &word) || !weir_span_equal(word, WEIR_SPAN("SCRAM-SHA-256")))
		return WEIR_E_SYNTAX;
	if (!weir_span_cut(&text, ':', &word) || weir_span_number(word, 10, &iterations) < 0 ||
	        iterations < WEIR_SCRAM_ITERATIONS_MIN || iterations > WEIR_SCRAM_ITERATIONS_MAX)
		return WEIR_E_SYNTAX;
	scram.iterations = (uint32_t)iterations;
	if (!weir_span_cut(&text, '$', &word) ||
	        weir_base64_decode(word, (char *)scram.salt, sizeof scram.salt, &size) < 0 || !size)
		return WEIR_E_SYNTAX;
	scram.salt_size = (uint32_t)size;
	if (!weir_span_cut(&text, ':', &word) || !users_value_parse_key(word, scram.stored_key) ||
	        !users_value_parse_key(text, scram.server_key))
		return WEIR_E_SYNTAX;
	*ret = scram;
	return 0;
}

static size_t users_value_put_base64(char *to, const unsigned char *bytes, size_t size)
{
	return weir_base64_encode(weir_span(bytes, size), to);
}

size_t weir_scram_format(const struct weir_scram *scram, char text[WEIR_SCRAM_TEXT_MAX])
{
	size_t size = (size_t)snprintf(
	        text, WEIR_SCRAM_TEXT_MAX, "SCRAM-SHA-256$%u:", (unsigned)scram->iterations);
	size += users_value_put_base64(text + size, scram->salt, scram->salt_size);
	text[size++] = '$';
	size += users_value_put_base64(text + size, scram->stored_key, sizeof scram->stored_key);
	text[size++] = ':';
	size += users_value_put_base64(text + size, scram->server_key, sizeof scram->server_key);
	text[size] = 0;
	return size;
}

bool weir_users_scram(const struct weir_users *users, struct weir_span name, struct weir_scram *ret)
{
	const struct user *user = users_find(users, name);
	struct weir_span text;
	return user && !user->locked && users_rest_value(user->rest, WEIR_SPAN("scram"), &text) &&
	       weir_scram_parse(text, ret) == 0;
}

bool weir_users_first_scram(const struct weir_users *users, struct weir_scram *ret)
{
	const struct user *table = users_table(users);
	for (size_t i = 0; i < weir_users_count(users); i++)
		if (weir_users_scram(users, table[i].name, ret))
			return true;
	return false;
}

bool weir_users_name(
        const struct weir_users *users, size_t index, struct weir_span *ret_name, bool *ret_locked)
{
	if (index >= weir_users_count(users))
		return false;
	*ret_name = users_table(users)[index].name;
	*ret_locked = users_table(users)[index].locked;
	return true;
}

bool weir_users_first_name(const struct weir_users *users, struct weir_span *ret)
{
	const struct user *table = users_table(users);
	const struct user *first = NULL;
	for (size_t i = 0; i < weir_users_count(users); i++)
		if (!table[i].locked && (!first || table[i].line < first->line))
			first = &table[i];
	if (first)
		*ret = first->name;
	return first != NULL;
}

bool weir_users_all_scram(const struct weir_users *users)
{
	return users->able && users->able == users->able_scram;
}
