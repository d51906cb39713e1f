/* Finding a user in the database, and changing what was found. */
#include "store_passwd.h"

#include <errno.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/database_users.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "helper.h"
#include "say.h"
#include "store_rows.h"
#include "store_verb.h"

struct store_passwd {
	struct store_verb verb;
	const struct passwd_change *change;
	char name[WEIR_USER_NAME_MAX + 1];
	bool exists;
	struct weir_buffer before[2], after[2]; /* hash and attributes */
};

/* A value is never NULL in the database. */
static struct weir_span store_passwd_span(const struct weir_buffer *buffer)
{
	return weir_span(buffer->size ? buffer->data : "", buffer->size);
}

static void store_passwd_on_found(
        void *context, const struct weir_database_user *user, int error, const char *text)
{
	struct store_passwd *passwd = context;
	passwd->exists = user;
	if (user) {
		error = weir_buffer_append(
		        &passwd->before[0], user->hash.data, user->hash.size, WEIR_USERS_FILE_MAX);
		if (error == 0)
			error = weir_buffer_append(&passwd->before[1], user->attributes.data,
			        user->attributes.size, WEIR_USERS_FILE_MAX);
		text = error ? weir_error_text(error) : "";
	}
	store_verb_done(&passwd->verb, error, text);
}

static void store_passwd_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_passwd *)context)->verb, error, text);
}

static bool store_passwd_find(struct store_passwd *passwd)
{
	struct store_verb *verb = &passwd->verb;
	return store_verb_wait(verb, weir_database_user_find(verb->database, verb->loop,
	                                     passwd->name, store_passwd_on_found, passwd));
}

/* Makes the new row. The server would read it as a line. */
static bool store_passwd_make(struct store_passwd *passwd)
{
	const struct passwd_change *change = passwd->change;
	struct weir_buffer line = {0};
	int error = passwd_line_put_hash(
	        change, store_passwd_span(&passwd->before[0]), &passwd->after[0]);
	if (error == 0)
		error = passwd_line_put_rest(
		        change, store_passwd_span(&passwd->before[1]), &passwd->after[1]);
	struct weir_span parts[] = {change->name, WEIR_SPAN(":"),
	        store_passwd_span(&passwd->after[0]), WEIR_SPAN(":"),
	        store_passwd_span(&passwd->after[1]), WEIR_SPAN("\n")};
	if (error == 0)
		error = buffer_append_spans(&line, parts, 6, WEIR_USERS_FILE_MAX);
	if (error < 0)
		say("%s: %s", change->path, weir_error_text(error));
	bool good = error == 0 && passwd_line_check(change->path, weir_buffer_span(&line));
	buffer_erase(&line);
	return good;
}

static bool store_passwd_write(struct store_passwd *passwd)
{
	struct store_verb *verb = &passwd->verb;
	struct weir_database_user before = {
	        store_passwd_span(&passwd->before[0]), store_passwd_span(&passwd->before[1])};
	struct weir_database_user after = {
	        store_passwd_span(&passwd->after[0]), store_passwd_span(&passwd->after[1])};
	bool deletes = passwd->change->action == PASSWD_DELETE;
	return store_verb_wait(
	        verb, weir_database_user_change(verb->database, verb->loop, passwd->name,
	                      passwd->exists ? &before : NULL, deletes ? NULL : &after,
	                      store_passwd_on_done, passwd));
}

/*
 * Servers use all rows or none. So a removal that would leave an alias without its target is
 * refused, unless the rows have a mistake already: that may be what the removal is to mend.
 */
static bool store_passwd_may_remove(struct store_passwd *passwd, struct config *config)
{
	struct store_rows rows = {.verb = &passwd->verb};
	char why[WEIR_POSTGRES_WHY_MAX];
	bool may = store_rows_load(&rows);
	if (may && store_rows_fit(&rows, config, NULL, why) &&
	        !store_rows_fit(&rows, config, passwd->name, why)) {
		say("%s: %s is not removed, since no server could use the users without it: %s",
		        passwd->change->path, passwd->name, why);
		may = false;
	}
	store_rows_free(&rows);
	return may;
}

/* The change is made, and takes effect when all rows are good. */
static void store_passwd_warn(struct store_passwd *passwd, struct config *config)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	if (store_rows_are_bad(&passwd->verb, config, why))
		say("%s: no server uses this change before another row is corrected: %s",
		        passwd->change->path, why);
}

static bool store_passwd_run(struct store_passwd *passwd, struct config *config)
{
	const struct passwd_change *change = passwd->change;
	if (!store_passwd_find(passwd))
		return false;
	if (!passwd->exists && change->action != PASSWD_SET) {
		say("%s: there is no user %s", change->path, passwd->name);
		return false;
	}
	bool good = change->action == PASSWD_DELETE ? store_passwd_may_remove(passwd, config)
	                                            : store_passwd_make(passwd);
	if (!good || !store_passwd_write(passwd))
		return false;
	store_passwd_warn(passwd, config);
	return true;
}

enum passwd_done store_passwd_change(struct config *config, const struct passwd_change *change)
{
	struct store_passwd passwd = {.change = change};
	if (change->name.size >= sizeof passwd.name) {
		say("%s: the name of a user has %d bytes at most", change->path,
		        WEIR_USER_NAME_MAX);
		return PASSWD_FAILED;
	}
	memcpy(passwd.name, change->name.data, change->name.size);
	bool done =
	        store_verb_begin(&passwd.verb, config) == 0 && store_passwd_run(&passwd, config);
	store_verb_finish(&passwd.verb);
	for (int i = 0; i < 2; i++) {
		buffer_erase(&passwd.before[i]);
		buffer_erase(&passwd.after[i]);
	}
	return !done           ? PASSWD_FAILED
	       : passwd.exists ? passwd_line_done(change->action)
	                       : PASSWD_ADDED;
}
