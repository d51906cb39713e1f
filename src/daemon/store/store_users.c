/*
 * Invariant: `text` is that of the users in effect, so that a reload needs no database. Users and
 * routes that are replaced are released when all workers have the new ones.
 */
#include "store_users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_users.h>
#include <weir/error.h>
#include <weir/mail_routes.h>
#include <weir/users.h>

#include "helper.h"
#include "say.h"
#include "service.h"
#include "service_mail.h"
#include "store.h"

struct store_users {
	struct weir_loop *loop;
	struct weir_database *database;
	struct weir_database_snapshot *snapshot;
	struct config *config; /* held; the one of the start at first */
	bool in_effect;        /* it is */
	char *copy;            /* the path of the copy, or NULL */
	struct weir_buffer text;
	bool loaded;
	void (*renew)(void *context);
	void *context;
};

/* -- users for a configuration ----------------------------------------------------------------- */

struct stored_users {
	struct config *config; /* held */
	struct weir_users *users;
	struct weir_mail_routes *routes; /* NULL: it has no domains */
};

static void *stored_users_create(struct config *config)
{
	struct stored_users *made = calloc(1, sizeof *made);
	if (made)
		made->config = config_hold(config);
	return made;
}

static void stored_users_free(void *object)
{
	struct stored_users *made = object;
	weir_mail_routes_release(made->routes);
	weir_users_release(made->users);
	config_release(made->config);
	free(made);
}

struct stored_mistake {
	struct weir_span texts[2];
	char *why; /* WEIR_POSTGRES_WHY_MAX bytes; empty before the first mistake */
};

/* A line is named by what it begins with: nobody sees its number. */
static void stored_users_on_mistake(
        void *context, const char *path, unsigned line, const char *text)
{
	struct stored_mistake *mistake = context;
	struct weir_span left = mistake->texts[strcmp(path, "aliases") == 0], name = {0};
	if (*mistake->why)
		return;
	for (unsigned i = 0; i < line; i++)
		weir_span_cut(&left, '\n', &name);
	struct weir_span rest = name;
	weir_span_cut(&rest, ':', &name);
	snprintf(mistake->why, WEIR_POSTGRES_WHY_MAX, "%s%s%.*s: %.120s", path, line ? ": " : "",
	        (int)min_of(name.size, (size_t)100), name.size ? name.data : "", text);
}

static int stored_users_parse(
        void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	static const struct config_mail nothing;
	struct stored_users *made = object;
	struct stored_mistake mistake = {.why = ret_why};
	bool mail = config_mail_is_stored(made->config);
	*ret_why = '\0';
	weir_database_users_split(text, &mistake.texts[0], &mistake.texts[1]);
	return config_mail_parse(mail ? &made->config->mail : &nothing, mistake.texts,
	        stored_users_on_mistake, &mistake, &made->users, &made->routes);
}

int store_users_try(
        struct config *config, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct stored_users *made = stored_users_create(config);
	int error = -ENOMEM;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
	if (made) {
		error = stored_users_parse(made, text, ret_why);
		stored_users_free(made);
	}
	return error;
}

static bool store_users_is_ftp(const struct config *config)
{
	return store_has(config, STORE_USERS) && !config->ftp.users_path;
}

static void stored_users_set_auth(void *context, const char *path, struct weir_users **users)
{
	const struct stored_users *made = context;
	if (path)
		return;
	weir_users_release(*users);
	*users = weir_users_hold(made->users);
}

/*
 * Exchanges the members of the configuration with those that were made. Handlers of HTTP hold the
 * users that they have.
 */
static void stored_users_exchange(struct stored_users *made, struct weir_users **ret_ftp)
{
	struct config *config = made->config;
	*ret_ftp = NULL;
	if (store_has(config, STORE_USERS))
		config_each_auth(config, stored_users_set_auth, made);
	if (store_users_is_ftp(config)) {
		*ret_ftp = config->ftp.users;
		config->ftp.users = weir_users_hold(made->users);
	}
	if (config_mail_is_stored(config)) {
		struct weir_users *users = config->mail.users;
		struct weir_mail_routes *routes = config->mail.routes;
		config->mail.users = made->users;
		config->mail.routes = made->routes;
		made->users = users;
		made->routes = routes;
	}
}

/* -- the snapshot ------------------------------------------------------------------------------ */

static void *store_users_begin(void *context)
{
	struct store_users *users = context;
	return stored_users_create(users->config);
}

static void store_users_take_text(struct store_users *users, struct weir_buffer *text)
{
	buffer_erase(&users->text);
	users->text = *text;
	*text = (struct weir_buffer){0};
	users->loaded = true;
}

/* A reload while they were made has taken the text before this one. */
static void store_users_use(void *context, void *object, struct weir_buffer *text)
{
	struct store_users *users = context;
	struct stored_users *made = object;
	struct weir_users *ftp;
	char why[WEIR_POSTGRES_WHY_MAX];
	store_users_take_text(users, text);
	if (made->config != users->config) {
		stored_users_free(made);
		made = stored_users_create(users->config);
		if (!made || stored_users_parse(made, weir_buffer_span(&users->text), why) < 0) {
			say("the users of the database are not renewed: %s",
			        made ? why : weir_error_text(-ENOMEM));
			if (made)
				stored_users_free(made);
			return;
		}
	}
	if (users->in_effect) {
		stored_users_exchange(made, &ftp);
		users->renew(users->context);
		weir_users_release(ftp);
	}
	stored_users_free(made);
}

/* The start itself reports what it has. */
static void store_users_report(void *context, const char *why)
{
	const struct store_users *users = context;
	if (!users->in_effect)
		return;
	if (why)
		say("the users of the database are not renewed: %s; the last ones stay", why);
	else
		say_at(WEIR_LOG_INFO, "the users of the database are renewed again");
}

static const struct weir_database_snapshot_type store_users_type = {
        .name = WEIR_DATABASE_USERS,
        .select = weir_database_users_select,
        .bytes_max = WEIR_DATABASE_USERS_BYTES,
        .format = weir_database_users_format,
        .begin = store_users_begin,
        .parse = stored_users_parse,
        .use = store_users_use,
        .drop = stored_users_free,
        .report = store_users_report,
        .warn = store_on_copy_warning,
};

/* -- the start --------------------------------------------------------------------------------- */

static void store_users_find_auth(void *context, const char *path, struct weir_users **users)
{
	bool *found = context;
	(void)users;
	*found |= !path;
}

/* Whether a listener serves these users. */
static bool store_users_are_needed(const struct config *config)
{
	bool mail =
	        listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3);
	bool http = false;
	if (listeners_include(config, SERVICE_HTTP))
		config_each_auth(config, store_users_find_auth, &http);
	return http || (mail && config_mail_is_stored(config)) ||
	       (listeners_include(config, SERVICE_FTP) && store_users_is_ftp(config));
}

static int store_users_follow_snapshot(struct store_users *users, const struct config *config)
{
	struct weir_database_snapshot_options options;
	weir_database_snapshot_options_init(&options);
	options.type = &store_users_type;
	options.context = users;
	options.copy = users->copy;
	options.poll_ms = (uint32_t)config->store.refresh_ms;
	return weir_database_snapshot_create(
	        users->database, users->loop, &options, &users->snapshot);
}

int store_users_create(struct weir_loop *loop, struct config *config, void (*renew)(void *context),
        void *context, struct store_users **ret)
{
	struct weir_database *database = store_database(config, STORE_USERS);
	*ret = NULL;
	if (!database)
		return 0;
	struct store_users *users = calloc(1, sizeof *users);
	if (!users) {
		say("out of memory");
		return -ENOMEM;
	}
	users->loop = loop;
	users->database = database;
	users->config = config_hold(config);
	users->renew = renew;
	users->context = context;
	int error = store_copy_path(config, STORE_SNAPSHOT_USERS, &users->copy);
	if (error == 0)
		error = store_users_follow_snapshot(users, config);
	if (error < 0)
		store_users_destroy(users);
	else
		*ret = users;
	return error;
}

int store_users_check(const struct store_users *users, const char *why)
{
	if (!users || users->loaded || !store_users_are_needed(users->config))
		return 0;
	say("cannot load the users of the database: %s%s", why,
	        users->copy ? "" : "; with 'directory' in 'store' a copy would be used");
	return -ENOENT;
}

int store_users_apply(struct store_users *users, struct config *config)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_users *ftp;
	if (!users || (!users->loaded && !store_users_are_needed(config)))
		return 0;
	struct stored_users *made = users->loaded ? stored_users_create(config) : NULL;
	text_copy(why, sizeof why,
	        users->loaded ? weir_error_text(-ENOMEM) : "they were not loaded yet");
	int error = made ? stored_users_parse(made, weir_buffer_span(&users->text), why) : -ENOMEM;
	if (error == 0) {
		stored_users_exchange(made, &ftp);
		weir_users_release(ftp);
	} else {
		say("cannot use the users of the database: %s", why);
	}
	if (made)
		stored_users_free(made);
	return error;
}

void store_users_follow(struct store_users *users, struct config *config)
{
	if (!users)
		return;
	config_hold(config);
	config_release(users->config);
	users->config = config;
	users->in_effect = true;
}

bool store_users_info(const struct store_users *users, struct weir_database_snapshot_info *ret)
{
	if (!users)
		return false;
	weir_database_snapshot_info(users->snapshot, ret);
	return true;
}

void store_users_poll(struct store_users *users)
{
	if (users)
		weir_database_snapshot_poll(users->snapshot);
}

void store_users_destroy(struct store_users *users)
{
	if (!users)
		return;
	weir_database_snapshot_destroy(users->snapshot);
	config_release(users->config);
	buffer_erase(&users->text);
	free(users->copy);
	free(users);
}
