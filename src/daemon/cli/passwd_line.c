/* What `weir passwd` makes of a user's line: in a file, or in the database. */
#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/users.h>

#include "cli.h"
#include "say.h"

static int passwd_line_put(struct weir_buffer *to, struct weir_span text)
{
	return weir_buffer_append(to, text.data, text.size, WEIR_USERS_FILE_MAX);
}

/* -- the hash ---------------------------------------------------------------------------------- */

int passwd_line_put_hash(
        const struct passwd_change *change, struct weir_span hash, struct weir_buffer *to)
{
	bool locked = hash.size && (hash.data[0] == '!' || hash.data[0] == '*');
	if (change->action == PASSWD_SET)
		return passwd_line_put(to, weir_span_of(change->hash));
	if (change->action == PASSWD_UNLOCK && weir_span_starts(hash, WEIR_SPAN("!")))
		return passwd_line_put(to, weir_span_skip(hash, 1));
	int error =
	        change->action == PASSWD_LOCK && !locked ? passwd_line_put(to, WEIR_SPAN("!")) : 0;
	return error ? error : passwd_line_put(to, hash);
}

/* -- the attributes ---------------------------------------------------------------------------- */

/* Cuts off the next attribute, whose value may be in quotes. */
static struct weir_span passwd_line_cut_word(struct weir_span *rest)
{
	size_t size = 0;
	for (bool quoted = false; size < rest->size && (quoted || rest->data[size] != ' '); size++)
		quoted ^= rest->data[size] == '"';
	struct weir_span word = weir_span(rest->data, size);
	*rest = weir_span_skip(*rest, size < rest->size ? size + 1 : size);
	return word;
}

int passwd_line_put_rest(
        const struct passwd_change *change, struct weir_span rest, struct weir_buffer *to)
{
	const char *scram = change->scram;
	bool first = !scram;
	if (change->action != PASSWD_SET)
		return passwd_line_put(to, rest);
	int error = scram ? passwd_line_put(to, WEIR_SPAN("scram=")) : 0;
	if (scram && error == 0)
		error = passwd_line_put(to, weir_span_of(scram));
	while (rest.size && error == 0) {
		struct weir_span word = passwd_line_cut_word(&rest);
		if (weir_span_starts(word, WEIR_SPAN("scram=")))
			continue;
		if (!first)
			error = passwd_line_put(to, WEIR_SPAN(" "));
		if (error == 0)
			error = passwd_line_put(to, word);
		first = false;
	}
	return error;
}

/* -- the whole --------------------------------------------------------------------------------- */

enum passwd_done passwd_line_done(enum passwd_action action)
{
	static const enum passwd_done done[] = {[PASSWD_SET] = PASSWD_CHANGED,
	        [PASSWD_DELETE] = PASSWD_REMOVED,
	        [PASSWD_LOCK] = PASSWD_LOCKED,
	        [PASSWD_UNLOCK] = PASSWD_UNLOCKED};
	return done[action];
}

static void passwd_line_on_mistake(void *context, unsigned line, const char *text)
{
	say("%s:%u: %s", (const char *)context, line, text);
}

/* A mistake may be older than the change. */
bool passwd_line_check(const char *path, struct weir_span text)
{
	struct weir_users *users;
	int error = weir_users_parse(text, passwd_line_on_mistake, (void *)path, &users);
	if (error == 0)
		weir_users_release(users);
	else
		say("%s: nothing was changed: %s", path, weir_error_text(error));
	return error == 0;
}
