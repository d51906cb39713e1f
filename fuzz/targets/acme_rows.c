/*
 * The rows of a database that is damaged, or hostile, and the directory that follows them: any
 * bytes as their text. Files appear only where servers share them, one for a row at most. The work
 * grows with the rows, not with their square.
 */
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/database.h>

#include "acme_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEAD_MIN = 14,   /* bytes of a row that is used */
	ROW_STEPS = 100, /* comparisons that a row, or a file, may cost */
};

static char above[32], folder[sizeof above + 16];
static struct weir_database *database;
static const char *names[] = {"www.example.org", "a.example.org", "*.example.org"};
static struct config *config;
static size_t files, reports;

static void expect(bool good)
{
	if (!good)
		abort();
}

/* -- the directory ----------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)status, (void)flag, (void)walk;
	return remove(path);
}

static int check_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	const char *inside = path + strlen(folder) + 1;
	(void)status, (void)walk;
	if (flag == FTW_D)
		return 0;
	files++;
	expect(flag == FTW_F && strlen(path) > strlen(folder) && !strstr(path, "/."));
	expect(acme_path_is_shared(inside) ||
	        strncmp(inside, ACME_CERTIFICATES "/", sizeof ACME_CERTIFICATES) == 0);
	return 0;
}

static int count_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)path, (void)status, (void)flag;
	expect(walk->level < 2 || strncmp(path, folder, strlen(folder)) == 0);
	return 0;
}

static void end(void)
{
	nftw(above, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	weir_database_release(database);
	config_release(config);
}

static void begin(void)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_postgres_options options;
	/* Files are synced, which costs nothing there. */
	snprintf(above, sizeof above, "%s/weir-fuzz-XXXXXX",
	        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	weir_postgres_options_init(&options);
	options.url = "postgres://weir@localhost/weir";
	config = config_create();
	expect(config && mkdtemp(above) && weir_database_create(&options, why, &database) == 0);
	config->acme.managed.items = names;
	config->acme.managed.count = sizeof names / sizeof *names;
	snprintf(folder, sizeof folder, "%s/acme", above);
	atexit(end);
}

/* -- the rows ---------------------------------------------------------------------------------- */

static void on_changed(void *context, const char *path, struct weir_span bytes)
{
	(void)context, (void)bytes;
	expect(acme_path_is_shared(path));
	reports++;
}

static void on_installed(
        void *context, const char *name, struct weir_span chain, struct weir_span key)
{
	(void)context, (void)name, (void)chain, (void)key;
	abort(); /* no certificate is here that the rows lack */
}

static void follow(struct weir_span text)
{
	static const struct acme_store_observer observer = {
	        .changed = on_changed, .installed = on_installed};
	char why[WEIR_POSTGRES_WHY_MAX];
	struct acme_rows_changes changes;
	struct acme_store *store = NULL;
	expect(mkdir(folder, 0700) == 0 && acme_store_open(folder, &store) == 0);
	struct acme_rows *rows = acme_rows_create(database, config);
	size_t most = text.size / HEAD_MIN;
	uint64_t before = acme_rows_steps;
	int error = acme_rows_parse(rows, text, why);
	expect(error <= 0 && (error < 0) == (*why != 0));
	if (error == 0) {
		acme_rows_apply(rows, store, &changes);
		files = reports = 0;
		expect(nftw(folder, check_entry, 8, FTW_PHYS) == 0);
		/* A certificate has three, and its versions. */
		expect(files <= most * (1 + 2 * ACME_VERSIONS_KEPT));
		acme_rows_bring(rows, store, &observer);
		expect(reports <= most);
	}
	expect(acme_rows_steps - before <= (uint64_t)ROW_STEPS * (most + 8));
	acme_rows_destroy(rows);
	acme_store_close(store);
	expect(nftw(above, count_entry, 8, FTW_PHYS) == 0);
	expect(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!database)
		begin();
	/* A copy of this size, so that a read behind its end is found. */
	char *copy = malloc(size + 1);
	memcpy(copy, data, size);
	follow(weir_span(copy, size));
	free(copy);
	return 0;
}
