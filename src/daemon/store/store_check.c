/*
 * The lines of `weir check` about the database: can each part be read, and how old are the copies
 * on disk? A problem here is a warning: the configuration is good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/database_copy.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "config.h"
#include "helper.h"
#include "resources.h"
#include "say.h"
#include "store.h"
#include "store_rows.h"
#include "store_verb.h"

/* -- the parts --------------------------------------------------------------------------------- */

struct store_check_call {
	struct store_verb verb;
	struct store_check *check;
	const struct config *config;
};

static void store_check_on_part(void *context, const struct weir_database_part *part)
{
	const struct store_check_call *call = context;
	struct store_check *check = call->check;
	if (!store_parts_include(store_parts(call->config), part) || check->count == STORE_PARTS)
		return;
	struct store_check_part *to = &check->parts[check->count++];
	*to = (struct store_check_part){.name = part->name, .lack = store_part_lack(part)};
	if (store_part_waits(part, to->waits, sizeof to->waits))
		to->lack = to->waits;
	check->problem |= store_part_lack(part) != NULL;
}

static void store_check_on_done(void *context, int error, const char *text)
{
	struct store_check_call *call = context;
	call->verb.ended = true;
	call->verb.failed = error;
	text_copy(call->check->why, sizeof call->check->why, text);
}

/* Servers use all rows or none. */
static void store_check_try_users(struct store_check_call *call, struct config *config)
{
	struct store_check *check = call->check;
	bool there = false;
	for (unsigned i = 0; i < check->count; i++)
		there |= !check->parts[i].lack &&
		         strcmp(check->parts[i].name, store_part_names[STORE_USERS]) == 0;
	if (there && store_rows_are_bad(&call->verb, config, check->users))
		check->problem = true;
}

bool store_check_begin(struct store_check *check, struct config *config)
{
	struct store_check_call call = {.check = check, .config = config};
	*check = (struct store_check){.count = 0};
	if (!config->store.url)
		return false;
	config->store.wait_ms = store_start_ms(config);
	text_copy(check->why, sizeof check->why, "it cannot be asked");
	if (store_verb_begin(&call.verb, config) == 0)
		check->replied = store_verb_wait(
		        &call.verb, weir_database_look(call.verb.database, call.verb.loop,
		                            store_check_on_part, store_check_on_done, &call));
	if (check->replied)
		store_check_try_users(&call, config);
	store_verb_finish(&call.verb);
	check->problem |= !check->replied;
	return check->problem;
}

static void store_check_print_parts(const struct store_check *check, const struct config *config)
{
	const char *before = "database: ";
	for (unsigned i = 0; i < STORE_PARTS && !check->replied; i++)
		if (store_has(config, i)) {
			printf("%s%s", before, store_part_names[i]);
			before = ", ";
		}
	if (!check->replied)
		printf(": not read: %s\n", check->why);
	for (unsigned i = 0; i < check->count && check->replied; i++) {
		const struct store_check_part *part = &check->parts[i];
		if (part->lack)
			printf("database: the tables of %s in the database are %s\n", part->name,
			        part->lack);
		else if (check->users[0] && strcmp(part->name, store_part_names[STORE_USERS]) == 0)
			printf("database: %s: no server can use them: %s\n", part->name,
			        check->users);
		else
			printf("database: %s: read\n", part->name);
	}
}

/* -- copies ------------------------------------------------------------------------------------ */

static void store_check_print_copy(const char *path, const struct store_snapshot_row *row)
{
	struct weir_database_copy_info info;
	struct weir_buffer text = {0};
	int error = weir_database_copy_read(
	        path, row->source, WEIR_DATABASE_SNAPSHOT_BYTES, &info, &text);
	buffer_erase(&text);
	if (error == 0)
		printf("database: the copy %s is %lld s old\n", row->name,
		        (long long)(info.age_ms / 1000));
	else if (error == -ENOENT)
		printf("database: there is no copy %s yet: a server makes it\n", row->name);
	else
		printf("database: the copy %s cannot be used: %s\n", row->name,
		        weir_database_copy_text(error));
}

static void store_check_print_copies(const struct config *config)
{
	if (!config->store.seal_path &&
	        (store_has(config, STORE_ZONES) || store_has(config, STORE_KEYS)))
		say("without 'secret-key-file' in 'store', the copies on disk lack keys and "
		    "certificates");
	for (unsigned i = 0; i < STORE_SNAPSHOTS; i++) {
		char *path;
		if (!store_has(config, store_snapshots[i].part) ||
		        store_copy_path(config, i, &path) < 0)
			continue;
		store_check_print_copy(path, &store_snapshots[i]);
		free(path);
	}
}

void store_check_print(const struct store_check *check, const struct config *config)
{
	if (!config->store.url)
		return;
	store_check_print_parts(check, config);
	/* The copies belong to the user of the server. */
	if (config->store.directory && resources_lend(config->user) == 0) {
		store_check_print_copies(config);
		resources_return();
	}
}
