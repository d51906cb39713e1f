/* See the header. The server is that of Debian 12; the programs are found by their path. */
#include "database.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#define PROGRAMS "/usr/lib/postgresql/15/bin/"

enum {
	TEXT_MAX = 64 << 20,
	PATIENCE = 6000, /* waits of 10 ms for a server to start */
	PORTS_FIRST = 2000,
	PORTS = 8000,
	PORTS_EACH = 8, /* of a program */
};

/* -- the server -------------------------------------------------------------------------------- */

/* In the child: not root, which the server refuses to be; it ends with the test. */
static void database_become_user(void)
{
	const struct passwd *user = getpwnam("postgres");
	if (prctl(PR_SET_PDEATHSIG, SIGQUIT) < 0)
		_exit(120);
	if (geteuid() != 0)
		return;
	if (!user || setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		_exit(121);
	/* A change of the user ends this. */
	if (prctl(PR_SET_PDEATHSIG, SIGQUIT) < 0)
		_exit(122);
}

/* Starts a program; its output goes to the log of the server. */
static pid_t database_spawn(const struct database *database, const char *const *words)
{
	char log[128];
	snprintf(log, sizeof log, "%s/log", database->path);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	database_become_user();
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	/* The sanitizer's runtime of the test does not follow. */
	unsetenv("LD_PRELOAD");
	if (chdir(database->path) == 0)
		execv(words[0], (char *const *)(uintptr_t)words);
	_exit(123);
}

static void database_run_program(const struct database *database, const char *const *words)
{
	int status;
	pid_t pid = database_spawn(database, words);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: status %x; see %s/log", words[0], status, database->path);
}

static void database_give(const char *path)
{
	const struct passwd *user = getpwnam("postgres");
	if (geteuid() == 0)
		assert_int_equal(chown(path, user->pw_uid, user->pw_gid), 0);
}

/* Whether a server could listen on the port. */
static bool database_has_port(int port)
{
	struct weir_address address = local_address();
	address.v4.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free = bind(fd, &address.any, weir_address_size(&address)) == 0;
	close(fd);
	return is_free;
}

/*
 * A port that is free. It is below those that the kernel gives to clients meanwhile, and tests that
 * run at the same time have other process ids.
 */
static int database_find_port(void)
{
	static unsigned next;
	if (!next)
		next = (unsigned)getpid() * PORTS_EACH;
	for (int i = 0; i < PORTS; i++) {
		int port = PORTS_FIRST + (int)(++next % PORTS);
		if (database_has_port(port))
			return port;
	}
	fail_msg("no port is free");
	return 0;
}

void database_write(struct database *database, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", database->path, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
	database_give(path);
}

/* ./dev test has a template of what initdb makes. */
static void database_make_data(struct database *database, const char *data)
{
	const char *template = getenv("WEIR_DATABASE_TEMPLATE");
	char command[512];
	if (!template) {
		database_run_program(database,
		        (const char *[]){PROGRAMS "initdb", "--no-sync", "-A", "trust", "-U",
		                "weir", "-E", "UTF8", "--locale=C", "-D", data, NULL});
		return;
	}
	assert_in_range(snprintf(command, sizeof command, "cp -a '%s' '%s'", template, data), 1,
	        sizeof command - 1);
	assert_int_equal(system(command), 0);
}

void database_make(struct database *database, const char *more)
{
	char data[128], text[2048];
	*database = (struct database){.port = database_find_port()};
	strcpy(database->path, "/tmp/weir-postgres-XXXXXX");
	assert_non_null(mkdtemp(database->path));
	database_give(database->path);
	snprintf(data, sizeof data, "%s/data", database->path);
	database_make_data(database, data);
	snprintf(text, sizeof text,
	        "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\n"
	        "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
	        "shared_buffers = 16MB\nmax_connections = 30\nautovacuum = off\n"
	        "deadlock_timeout = 50ms\n%s\n",
	        database->port, database->path, more);
	database_write(database, "data/postgresql.auto.conf", text);
}

static void database_make_url(const struct database *database, char *ret, size_t size)
{
	snprintf(ret, size, "host=%s port=%d user=weir dbname=postgres", database->path,
	        database->port);
}

void database_start(struct database *database)
{
	char data[128], url[256];
	snprintf(data, sizeof data, "%s/data", database->path);
	database_make_url(database, url, sizeof url);
	database->pid =
	        database_spawn(database, (const char *[]){PROGRAMS "postgres", "-D", data, NULL});
	for (int i = 0; i < PATIENCE; i++) {
		if (PQping(url) == PQPING_OK)
			return;
		assert_int_equal(waitpid(database->pid, NULL, WNOHANG), 0);
		poll(NULL, 0, 10);
	}
	fail_msg("the server does not start; see %s/log", database->path);
}

void database_stop(struct database *database, int signal)
{
	PQfinish(database->client);
	database->client = NULL;
	assert_int_equal(kill(database->pid, signal), 0);
	assert_int_equal(waitpid(database->pid, NULL, 0), database->pid);
	database->pid = 0;
}

void database_remove(struct database *database)
{
	if (database->pid)
		database_stop(database, SIGQUIT);
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", database->path);
	assert_int_equal(system(command), 0);
}

static PGconn *database_connect(struct database *database)
{
	char url[256];
	/* Its server may have ended it. */
	if (database->client && PQtransactionStatus(database->client) != PQTRANS_IDLE) {
		PQfinish(database->client);
		database->client = NULL;
	}
	database_make_url(database, url, sizeof url);
	if (!database->client)
		database->client = PQconnectdb(url);
	if (PQstatus(database->client) != CONNECTION_OK)
		fail_msg("no connection: %s", PQerrorMessage(database->client));
	return database->client;
}

/* Appends the rows of a result to `text`, which has `size` bytes so far, and returns the size. */
static size_t database_print(const PGresult *result, char *text, size_t size, size_t room)
{
	for (int row = 0; row < PQntuples(result); row++)
		for (int column = 0; column < PQnfields(result); column++) {
			const char *value = PQgetvalue(result, row, column);
			const char *between = column ? "|" : size ? "\n" : "";
			size += (size_t)snprintf(text + size, room - size, "%s%s", between, value);
			assert_true(size < room);
		}
	return size;
}

/* Returns false after a deadlock with a statement that goes on without its client. */
static bool database_try(PGconn *client, const char *sql, char *text, size_t room)
{
	PGresult *result;
	size_t size = 0;
	bool locked = false;
	text[0] = 0;
	if (!PQsendQuery(client, sql))
		fail_msg("%s for %s", PQerrorMessage(client), sql);
	while ((result = PQgetResult(client))) {
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			size = database_print(result, text, size, room);
		else if (state && strcmp(state, "40P01") == 0)
			locked = true;
		else if (PQresultStatus(result) == PGRES_FATAL_ERROR)
			fail_msg("%s for %s", PQresultErrorMessage(result), sql);
		PQclear(result);
	}
	return !locked;
}

const char *database_run(struct database *database, const char *sql)
{
	static char text[4096];
	PGconn *client = database_connect(database);
	while (!database_try(client, sql, text, sizeof text))
		;
	PQclear(PQexec(client, "DISCARD ALL"));
	return text;
}

void database_configure(struct database *database, const char *name, const char *value)
{
	char set[128], show[64];
	snprintf(set, sizeof set, "ALTER SYSTEM SET %s = '%s'", name, value);
	snprintf(show, sizeof show, "SHOW %s", name);
	database_run(database, set);
	database_run(database, "SELECT pg_reload_conf()");
	while (strcmp(database_run(database, show), value) != 0)
		poll(NULL, 0, 10);
}

unsigned database_waits(struct database *database, const char *event)
{
	char sql[128];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = '%s'",
	        event);
	return (unsigned)strtoul(database_run(database, sql), NULL, 10);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void heard_note(struct heard *heard, const char *bytes, size_t size)
{
	assert_int_equal(weir_buffer_append(&heard->text, bytes, size, TEXT_MAX), 0);
}

static void heard_on_row(void *context, const struct weir_postgres_row *row)
{
	struct heard *heard = context;
	for (unsigned i = 0; i < row->count; i++) {
		struct weir_span value = weir_postgres_row_value(row, i);
		heard_note(heard, i ? "," : "(", 1);
		heard_note(heard, value.data ? value.data : "~", value.data ? value.size : 1);
	}
	heard_note(heard, ")", 1);
	heard->rows++;
	if (heard->rows == heard->cancel_at) {
		weir_postgres_call_cancel(heard->call);
		heard->call = NULL;
	} else if (heard->rows == heard->pause_at) {
		weir_postgres_call_pause(heard->call);
	}
}

static void heard_on_again(void *context)
{
	heard_note(context, "!", 1);
}

static void heard_on_end(void *context, const struct weir_postgres_end *end)
{
	struct heard *heard = context;
	heard->call = NULL;
	heard->ends++;
	heard->error = end->error;
	heard->outcome = end->outcome;
	heard->repeated = end->repeated;
	snprintf(heard->state, sizeof heard->state, "%s", end->state);
	snprintf(heard->constraint, sizeof heard->constraint, "%s", end->constraint);
	snprintf(heard->why, sizeof heard->why, "%s", end->text);
	if (end->outcome == WEIR_POSTGRES_COMMITTED)
		heard->changed[0] = end->rows[0];
	heard_note(heard, &".u?"[end->outcome], 1);
	if (heard->cancels && heard->cancels->call) {
		weir_postgres_call_cancel(heard->cancels->call);
		heard->cancels->call = NULL;
	}
}

const struct weir_postgres_events heard_events = {
        .row = heard_on_row,
        .again = heard_on_again,
        .end = heard_on_end,
};

struct weir_postgres *pool_make(struct weir_loop *loop, struct weir_postgres_options options)
{
	struct weir_postgres *pool;
	char why[WEIR_POSTGRES_WHY_MAX];
	if (weir_postgres_create(loop, &options, why, &pool) < 0)
		fail_msg("no pool: %s", why);
	return pool;
}

uint64_t pool_metric(struct weir_loop *loop, const char *pool, const char *metric, unsigned value)
{
	const struct weir_metric_set *set = weir_metrics_first(loop);
	for (; set; set = set->next) {
		const struct weir_metric *row = set->table->metrics;
		if (!set->values[0] || strcmp(set->values[0], pool) != 0)
			continue;
		for (; row->name; row++)
			if (strcmp(row->name, metric) == 0)
				return weir_metric_read(&set->cells[row->cell + value]);
	}
	return 0;
}

void calling_init(struct calling *calling)
{
	*calling = (struct calling){0};
	weir_postgres_call_options_init(&calling->options);
}

int heard_start(struct heard *heard, struct weir_postgres *pool, struct calling calling)
{
	struct weir_postgres_value values[8];
	struct weir_postgres_statement statement = {.text = calling.text, .values = values};
	for (; statement.count < 8 && calling.values[statement.count]; statement.count++)
		values[statement.count] = weir_postgres_text(calling.values[statement.count]);
	if (!calling.options.statements)
		calling.options.statements = &statement;
	return weir_postgres_call_start(pool, &calling.options, &heard_events, heard, &heard->call);
}

void heard_await_end(struct heard *heard, struct weir_loop *loop)
{
	if (!TURN_UNTIL(loop, heard->ends))
		fail_msg("the call does not end; so far: %.*s", (int)heard->text.size,
		        heard->text.size ? heard->text.data : "");
}

void heard_expect(struct heard *heard, struct weir_loop *loop, const char *text)
{
	heard_await_end(heard, loop);
	if (!weir_span_equal(weir_buffer_span(&heard->text), weir_span_of(text)))
		fail_msg("wanted \"%s\", and got \"%.*s\" (%d, %s, %s)", text,
		        (int)heard->text.size, heard->text.data, heard->error, heard->state,
		        heard->why);
	heard_clear(heard);
}

void heard_clear(struct heard *heard)
{
	weir_buffer_finish(&heard->text);
	*heard = (struct heard){0};
}
