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

/* A text of an authority may be no UTF-8, which jansson refuses. */
static void acme_state_clean(const char *from, char *to, size_t size)
{
	text_copy(to, size, from);
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || (unsigned char)*to > '~')
			*to = '?';
}

int acme_state_print(const struct acme_state *state, struct weir_buffer *to)
{
	char why[ACME_WHY_SIZE];
	acme_state_clean(state->why, why, sizeof why);
	json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "failures",
	        (json_int_t)state->failures, "next", (json_int_t)state->next_s, "renew",
	        (json_int_t)state->renew_s, "begins", (json_int_t)state->begins_s, "expires",
	        (json_int_t)state->expires_s, "obtained", (json_int_t)state->obtained_s, "id",
	        state->id, "authority", state->authority, "error", why);
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

static void acme_state_text(const json_t *object, const char *name, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));
	text_copy(to, size, text ? text : "");
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
	        .next_s = acme_state_number(object, "next"),
	        .renew_s = acme_state_number(object, "renew"),
	        .begins_s = acme_state_number(object, "begins"),
	        .expires_s = acme_state_number(object, "expires"),
	        .obtained_s = acme_state_number(object, "obtained"),
	};
	acme_state_text(object, "id", ret->id, sizeof ret->id);
	acme_state_text(object, "authority", ret->authority, sizeof ret->authority);
	acme_state_text(object, "error", ret->why, sizeof ret->why);
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
