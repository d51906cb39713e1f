/* A file that is damaged counts as missing: an attempt is due at once then. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <weir/error.h>

#include "acme_state.h"
#include "acme_store.h"
#include "helper.h"

enum {
	SECONDS_MAX = INT32_MAX,
};

int acme_state_print(const struct acme_state *state, struct weir_buffer *to)
{
	char why[ACME_WHY_SIZE];
	/* A text of an authority may be no UTF-8, which jansson refuses. */
	text_copy_plain(why, sizeof why, weir_span_of(state->why));
	json_t *object = json_pack("{s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "failures",
	        (json_int_t)state->failures, "waits", state->waits, "next",
	        (json_int_t)state->next_s, "renew", (json_int_t)state->renew_s, "begins",
	        (json_int_t)state->validity.begins_s, "expires",
	        (json_int_t)state->validity.expires_s, "obtained", (json_int_t)state->obtained_s,
	        "id", state->id, "authority", state->authority, "error", why);
	char *text = object ? json_dumps(object, JSON_INDENT(1)) : NULL;
	int error = text ? weir_buffer_append(to, text, strlen(text), ACME_STATE_MAX) : -ENOMEM;
	free(text);
	json_decref(object);
	return error;
}

static int64_t acme_state_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));
	return number < 0 ? 0 : number > SECONDS_MAX * 100ll ? SECONDS_MAX * 100ll : number;
}

static struct weir_span acme_state_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return weir_span(json_string_value(value), json_string_length(value));
}

/* The file may be that of a row which another machine has written: its texts go into requests. */
static void acme_state_take_texts(const json_t *object, struct acme_state *ret)
{
	struct weir_span id = acme_state_text(object, "id");
	struct weir_span authority = acme_state_text(object, "authority");
	if (acme_id_is_good(id))
		text_copy_span(ret->id, sizeof ret->id, id);
	if (acme_url_is_good(authority))
		text_copy_span(ret->authority, sizeof ret->authority, authority);
	text_copy_plain(ret->why, sizeof ret->why, acme_state_text(object, "error"));
}

int acme_state_parse(struct weir_span json, struct acme_state *ret)
{
	json_error_t fault;
	json_t *object = json_loadb(json.size ? json.data : "", json.size, 0, &fault);
	if (!json_is_object(object)) {
		json_decref(object);
		return json_error_code(&fault) == json_error_out_of_memory ? -ENOMEM
		                                                           : WEIR_E_SYNTAX;
	}
	*ret = (struct acme_state){
	        .failures = (uint64_t)acme_state_number(object, "failures"),
	        .waits = json_is_true(json_object_get(object, "waits")),
	        .next_s = acme_state_number(object, "next"),
	        .renew_s = acme_state_number(object, "renew"),
	        .validity.begins_s = acme_state_number(object, "begins"),
	        .validity.expires_s = acme_state_number(object, "expires"),
	        .obtained_s = acme_state_number(object, "obtained"),
	};
	acme_state_take_texts(object, ret);
	json_decref(object);
	return 0;
}

int acme_state_read(const char *directory, const char *name, struct acme_state *ret)
{
	char path[PATH_MAX], file[ACME_NAME_SIZE + 16];
	struct weir_buffer text = {0};
	acme_store_file_of(name, file, sizeof file);
	int size = snprintf(path, sizeof path, "%s/" ACME_STATES "/%s", directory, file);
	if (size < 0 || (size_t)size >= sizeof path)
		return -ENAMETOOLONG;
	int error = file_read_whole(AT_FDCWD, path, O_NOFOLLOW, ACME_STATE_MAX, &text);
	if (error == 0)
		error = acme_state_parse(weir_buffer_span(&text), ret);
	weir_buffer_finish(&text);
	return error;
}
