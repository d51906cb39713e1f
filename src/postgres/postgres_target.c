/*
 * The connection string. libpq parses it. Values from libpq's environment variables, and files of
 * the home directory, are added only if the owner of the pool wants that.
 *
 * Invariant: without `environment`, each keyword that libpq would fill from a variable is either
 * given here, or its variable is not set.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_target.h"

/* A file that never exists: libpq knows no other way to leave a file out. */
#define POSTGRES_NO_FILE "/dev/null/none"

static int target_refuse(char why[WEIR_POSTGRES_WHY_MAX], int error, const char *text)
{
	text_copy(why, WEIR_POSTGRES_WHY_MAX, text);
	return error;
}

/* The value that was given, or that the environment has; NULL: none. */
static const char *target_value(const struct postgres_target *target, const char *keyword)
{
	const PQconninfoOption *lists[] = {target->parsed, target->defaults};
	for (size_t i = 0; i < 2; i++)
		for (const PQconninfoOption *option = lists[i]; option && option->keyword; option++)
			if (strcmp(option->keyword, keyword) == 0 && option->val && *option->val)
				return option->val;
	return NULL;
}

static bool target_has(const struct postgres_target *target, const char *keyword)
{
	for (unsigned i = 0; i < target->count; i++)
		if (strcmp(target->keywords[i], keyword) == 0)
			return true;
	return false;
}

static void target_add(struct postgres_target *target, const char *keyword, const char *value)
{
	if (target_has(target, keyword) || target->count == POSTGRES_TARGET_OPTIONS)
		return;
	target->keywords[target->count] = keyword;
	target->values[target->count++] = value;
}

/* -- hosts ------------------------------------------------------------------------------------- */

/* Cuts the next item of a list, which ends with a NUL; NULL: there is none. */
static char *target_next_item(char **list)
{
	char *item = *list;
	if (!item)
		return NULL;
	char *comma = strchr(item, ',');
	*list = comma ? comma + 1 : NULL;
	if (comma)
		*comma = 0;
	return item;
}

static bool target_is_port(const char *port)
{
	uint64_t number;
	return weir_span_number(weir_span_of(port), 10, &number) == 0 && number >= 1 &&
	       number <= 65535;
}

static int target_add_host(struct postgres_target *target, const char *name, const char *address,
        const char *port, char why[WEIR_POSTGRES_WHY_MAX])
{
	bool named = name && *name;
	bool has_address = address && *address;
	if (target->host_count == WEIR_POSTGRES_HOSTS_MAX)
		return target_refuse(why, -EINVAL, "too many hosts in the URL of the database");
	if (!named && !has_address)
		return target_refuse(why, -EINVAL,
		        "the URL of the database must name a host: a name, an address, or "
		        "?host=/run/postgresql for a Unix socket");
	if (port && *port && !target_is_port(port))
		return target_refuse(
		        why, -EINVAL, "a port in the URL of the database must be from 1 to 65535");
	target->hosts[target->host_count++] = (struct postgres_host){
	        .name = named ? name : address,
	        .address = has_address ? address : NULL,
	        .port = port && *port ? port : "5432",
	        .local = named && !has_address && (*name == '/' || *name == '@'),
	};
	return 0;
}

/* The lists run side by side; one port is that of all hosts. */
static int target_read_hosts(struct postgres_target *target, char why[WEIR_POSTGRES_WHY_MAX])
{
	static const char *const keywords[] = {"host", "hostaddr", "port"};
	const char *values[3];
	char *lists[3] = {0};
	size_t size = 0;
	for (int i = 0; i < 3; i++) {
		values[i] = target_value(target, keywords[i]);
		size += values[i] ? strlen(values[i]) + 1 : 0;
	}
	target->texts = malloc(size + 1);
	if (!target->texts)
		return -ENOMEM;
	char *to = target->texts;
	for (int i = 0; i < 3; i++)
		if (values[i]) {
			lists[i] = to;
			to = stpcpy(to, values[i]) + 1;
		}
	bool one_port = lists[2] && !strchr(lists[2], ',');
	const char *port = NULL;
	do {
		const char *name = target_next_item(&lists[0]);
		const char *address = target_next_item(&lists[1]);
		if (!port || !one_port)
			port = target_next_item(&lists[2]);
		int error = target_add_host(target, name, address, port, why);
		if (error)
			return error;
	} while (lists[0] || lists[1]);
	return lists[2] ? target_refuse(
	                          why, -EINVAL, "the URL of the database has more ports than hosts")
	                : 0;
}

/* -- parameters -------------------------------------------------------------------------------- */

static int target_check_keywords(
        const struct postgres_target *target, char why[WEIR_POSTGRES_WHY_MAX])
{
	static const char *const refused[] = {"connect_timeout", "replication"};
	static const char *const modes[] = {
	        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
	const char *gss = target_value(target, "gssencmode");
	const char *tls = target_value(target, "sslmode");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (target_value(target, refused[i])) {
			snprintf(why, WEIR_POSTGRES_WHY_MAX,
			        "'%s' in the URL of the database is not supported: leave it out",
			        refused[i]);
			return -EINVAL;
		}
	if (!target->defaults && target_value(target, "service"))
		return target_refuse(why, -EINVAL,
		        "'service' in the URL of the database is not supported: write out what it "
		        "stands for");
	if (gss && strcmp(gss, "disable") != 0 && !target->defaults)
		return target_refuse(
		        why, -EINVAL, "'gssencmode' in the URL of the database must be disable");
	bool known = !tls;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		known |= tls && strcmp(tls, modes[i]) == 0;
	if (!known)
		return target_refuse(why, -EINVAL,
		        "'sslmode' in the URL of the database must be disable, allow, prefer, "
		        "require, verify-ca or verify-full");
	if (tls && strncmp(tls, "verify", 6) == 0 && !target_value(target, "sslrootcert"))
		return target_refuse(why, -EINVAL,
		        "sslmode=verify-… needs sslrootcert=FILE, such as "
		        "/etc/ssl/certs/ca-certificates.crt");
	return 0;
}

/* libpq would take the name of this process's user, and look it up at each connection. */
static int target_add_user(
        struct postgres_target *target, const char *user, char why[WEIR_POSTGRES_WHY_MAX])
{
	struct passwd entry, *found = NULL;
	char buffer[1024];
	if (target_has(target, "user"))
		return 0;
	if (!user && (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || !found))
		return target_refuse(why, -EINVAL,
		        "the URL of the database must name a user: postgres://user@host");
	target->user = strdup(user ? user : found->pw_name);
	if (!target->user)
		return -ENOMEM;
	target_add(target, "user", target->user);
	return 0;
}

static int target_add_password(struct postgres_target *target, const char *password)
{
	if (!password || target_has(target, "password"))
		return 0;
	target->password = strdup(password);
	if (!target->password)
		return -ENOMEM;
	target_add(target, "password", target->password);
	return 0;
}

/* Files that libpq would look for in the home directory. */
static void target_leave_files_out(struct postgres_target *target)
{
	static const char *const files[] = {
	        "passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		target_add(target, files[i], POSTGRES_NO_FILE);
}

static int target_check_environment(
        const struct postgres_target *target, char why[WEIR_POSTGRES_WHY_MAX])
{
	for (const PQconninfoOption *option = target->parsed; option->keyword; option++) {
		const char *value = option->envvar ? getenv(option->envvar) : NULL;
		if (!value || !*value || target_has(target, option->keyword))
			continue;
		snprintf(why, WEIR_POSTGRES_WHY_MAX,
		        "%s is set in the environment, which the database's library would read: "
		        "unset it, and write '%s' into the URL",
		        option->envvar, option->keyword);
		return -EINVAL;
	}
	return 0;
}

static bool target_is_own(const char *keyword)
{
	static const char *const own[] = {
	        "host", "hostaddr", "port", "target_session_attrs", "gssencmode", "service"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(own[i], keyword) == 0)
			return true;
	return false;
}

static int target_collect(struct postgres_target *target,
        const struct weir_postgres_options *options, char why[WEIR_POSTGRES_WHY_MAX])
{
	static const char *const fixed[POSTGRES_TARGET_FIXED] = {
	        "host", "hostaddr", "port", "target_session_attrs"};
	for (int i = 0; i < POSTGRES_TARGET_FIXED; i++)
		target->keywords[target->count++] = fixed[i];
	for (const PQconninfoOption *option = target->parsed; option->keyword; option++) {
		const char *value = target_value(target, option->keyword);
		if (value && !target_is_own(option->keyword))
			target_add(target, option->keyword, value);
	}
	snprintf(target->timeout_ms, sizeof target->timeout_ms, "%u",
	        max_of(options->connect_ms, options->answer_ms));
	target_add(target, "gssencmode", "disable");
	target_add(target, "client_encoding", "UTF8");
	target_add(target, "tcp_user_timeout", target->timeout_ms);
	target_add(target, "fallback_application_name", "weir");
	int error = target_add_user(target, options->user, why);
	if (!error)
		error = target_add_password(target, options->password);
	if (error || target->defaults)
		return error;
	target_leave_files_out(target);
	/* libpq takes PGHOSTADDR for a Unix socket, too, unless it is unset. */
	if (!target_value(target, "hostaddr") && getenv("PGHOSTADDR"))
		return target_refuse(
		        why, -EINVAL, "PGHOSTADDR is set in the environment: unset it");
	return target_check_environment(target, why);
}

/* -- life -------------------------------------------------------------------------------------- */

int postgres_target_init(struct postgres_target *target,
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	/* The reason that libpq gives may have the password in it. */
	target->parsed = PQconninfoParse(options->url, NULL);
	if (!target->parsed)
		return target_refuse(ret_why, WEIR_E_SYNTAX,
		        "the URL of the database is malformed, or has a parameter that libpq does "
		        "not know: write postgres://user@host:port/database?parameter=value");
	if (options->environment && !(target->defaults = PQconndefaults()))
		return target_refuse(ret_why, -EINVAL,
		        "the environment for the database's library is malformed: see PGSERVICE");
	int error = target_check_keywords(target, ret_why);
	if (!error)
		error = target_read_hosts(target, ret_why);
	target->session = or_default(target_value(target, "target_session_attrs"), "any");
	return error ? error : target_collect(target, options, ret_why);
}

void postgres_target_finish(struct postgres_target *target)
{
	PQconninfoFree(target->parsed);
	PQconninfoFree(target->defaults);
	free(target->texts);
	free(target->user);
	if (target->password)
		explicit_bzero(target->password, strlen(target->password));
	free(target->password);
}

static bool target_options_good(const struct weir_postgres_options *options)
{
	return options->url && options->name && options->streams_max && options->batches_max &&
	       options->batch_max && options->batch_max <= WEIR_POSTGRES_BATCH_MAX &&
	       options->batch_bytes && options->waiting_max && options->waiting_bytes &&
	       options->statements_max <= WEIR_POSTGRES_STATEMENTS_MAX && options->connect_ms &&
	       options->wait_ms && options->answer_ms && options->idle_ms;
}

int postgres_options_check(
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	if (target_options_good(options))
		return 0;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, "an option of the pool is out of range");
	return -EINVAL;
}

/* -- needs ------------------------------------------------------------------------------------- */

static void target_list_files(
        const struct postgres_target *target, weir_postgres_need_fn *need, void *context)
{
	static const char *const files[] = {
	        "passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *path = target_value(target, files[i]);
		if (path)
			need(context, WEIR_POSTGRES_READS, path);
	}
}

static void target_list_host(
        const struct postgres_host *host, weir_postgres_need_fn *need, void *context)
{
	if (host->local) {
		need(context, WEIR_POSTGRES_CONNECTS_UNIX, host->name);
		return;
	}
	need(context, WEIR_POSTGRES_CONNECTS, host->port);
	if (!host->address)
		need(context, WEIR_POSTGRES_LOOKS_UP, host->name);
}

int weir_postgres_list_needs(const struct weir_postgres_options *options,
        weir_postgres_need_fn *need, void *context, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct postgres_target target = {0};
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(-ENOMEM));
	int error = postgres_options_check(options, ret_why);
	if (!error)
		error = postgres_target_init(&target, options, ret_why);
	for (unsigned i = 0; i < target.host_count && !error; i++)
		target_list_host(&target.hosts[i], need, context);
	if (!error)
		target_list_files(&target, need, context);
	postgres_target_finish(&target);
	return error;
}

/* -- attempts ---------------------------------------------------------------------------------- */

PGconn *postgres_target_start(struct postgres_target *target, const struct postgres_host *host,
        const char *address, const char *session)
{
	target->values[0] = host->name;
	target->values[1] = address;
	target->values[2] = host->port;
	target->values[3] = session;
	return PQconnectStartParams(target->keywords, target->values, 0);
}
