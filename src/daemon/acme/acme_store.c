/* Paths are those of this program, and of names and tokens that were checked: none has "..". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "acme_store.h"
#include "helper.h"

enum {
	VERSIONS_MAX = 64, /* that are looked at, in one folder */
	VERSION_SIZE = ACME_VERSION_SIZE,
};

struct acme_store {
	int directory;
	int lock;                                   /* -1: not taken */
	const struct acme_store_observer *observer; /* or NULL */
};

void acme_store_observe(struct acme_store *store, const struct acme_store_observer *observer)
{
	store->observer = observer;
}

static void acme_store_report(
        const struct acme_store *store, const char *path, struct weir_span bytes)
{
	if (store->observer)
		store->observer->changed(store->observer->context, path, bytes);
}

/* -- files ------------------------------------------------------------------------------------- */

void acme_store_file_of(const char *name, char *ret, size_t size)
{
	bool wild = strncmp(name, "*.", 2) == 0;
	snprintf(ret, size, "%s%s", wild ? "_wildcard" : "", name + wild);
}

int acme_store_read(const struct acme_store *store, const char *path, struct weir_buffer *ret)
{
	return file_read_whole(store->directory, path, O_NOFOLLOW, ACME_FILE_MAX, ret);
}

/* Has a change in the folder of this path survive a loss of power. */
static int acme_store_sync(const struct acme_store *store, const char *path)
{
	char folder[ACME_PATH_SIZE];
	text_copy(folder, sizeof folder, path);
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	int fd = openat(store->directory, slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return error;
}

static int acme_store_write_all(int fd, struct weir_span bytes)
{
	while (bytes.size) {
		ssize_t put = write(fd, bytes.data, bytes.size);
		if (put < 0 && errno != EINTR)
			return -errno;
		bytes = weir_span_skip(bytes, put < 0 ? 0 : (size_t)put);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int acme_store_move(const struct acme_store *store, const char *from, const char *to)
{
	if (renameat(store->directory, from, store->directory, to) < 0)
		return -errno;
	return acme_store_sync(store, to);
}

int acme_store_rename(const struct acme_store *store, const char *from, const char *to)
{
	struct weir_buffer bytes = {0};
	int error = acme_store_move(store, from, to);
	if (error == 0 && store->observer)
		error = acme_store_read(store, to, &bytes);
	if (error == 0) {
		acme_store_report(store, to, weir_buffer_span(&bytes));
		acme_store_report(store, from, weir_span(NULL, 0));
	}
	buffer_erase(&bytes);
	return error;
}

int acme_store_write(const struct acme_store *store, const char *path, struct weir_span bytes)
{
	char beside[ACME_PATH_SIZE + 8];
	snprintf(beside, sizeof beside, "%s.new", path);
	int fd = openat(store->directory, beside,
	        O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : acme_store_write_all(fd, bytes);
	if (fd >= 0)
		close(fd);
	if (error == 0)
		error = acme_store_move(store, beside, path);
	if (error < 0)
		unlinkat(store->directory, beside, 0);
	else
		acme_store_report(store, path, bytes);
	return error;
}

int64_t acme_store_written_ns(const struct acme_store *store, const char *path)
{
	struct stat status;
	return fstatat(store->directory, path, &status, AT_SYMLINK_NOFOLLOW) < 0
	               ? 0
	               : (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
}

void acme_store_set_written(const struct acme_store *store, const char *path, int64_t written_ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
	        {.tv_sec = written_ns / 1000000000, .tv_nsec = written_ns % 1000000000}};
	utimensat(store->directory, path, times, AT_SYMLINK_NOFOLLOW);
}

void acme_store_remove(const struct acme_store *store, const char *path)
{
	unlinkat(store->directory, path, 0);
	acme_store_report(store, path, weir_span(NULL, 0));
}

int acme_store_make_folder(const struct acme_store *store, const char *path)
{
	char part[ACME_PATH_SIZE];
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += at != path;
		const char *end = strchrnul(at, '/');
		text_copy_span(part, sizeof part, weir_span(path, (size_t)(end - path)));
		if (mkdirat(store->directory, part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return acme_store_sync(store, path);
}

/* -- folders ----------------------------------------------------------------------------------- */

int acme_store_each(const struct acme_store *store, const char *folder,
        void (*visit)(void *context, int directory, const char *name), void *context)
{
	int fd = openat(store->directory, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int error = entries ? 0 : -errno;
	if (!entries && fd >= 0)
		close(fd);
	for (struct dirent *entry; entries && (entry = readdir(entries));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			visit(context, dirfd(entries), entry->d_name);
	if (entries)
		closedir(entries);
	return error;
}

static void acme_store_clear_one(void *context, int directory, const char *name)
{
	(void)context;
	unlinkat(directory, name, 0);
}

void acme_store_clear(const struct acme_store *store, const char *folder)
{
	acme_store_each(store, folder, acme_store_clear_one, NULL);
}

/* -- versions ---------------------------------------------------------------------------------- */

struct acme_versions {
	char names[VERSIONS_MAX][VERSION_SIZE];
	size_t count;
};

/* Versions are numbered by their time, in digits of one length. */
static void acme_version_note(void *context, int directory, const char *name)
{
	struct acme_versions *versions = context;
	(void)directory;
	if (name[strspn(name, "0123456789")] == 0 && versions->count < VERSIONS_MAX)
		text_copy(versions->names[versions->count++], VERSION_SIZE, name);
}

static int acme_version_compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void acme_version_remove(const struct acme_store *store, const char *folder)
{
	acme_store_clear(store, folder);
	unlinkat(store->directory, folder, AT_REMOVEDIR);
}

/* Removes all versions but the newest ones. */
static void acme_versions_prune(const struct acme_store *store, const char *folder)
{
	struct acme_versions versions = {.count = 0};
	char path[ACME_PATH_SIZE + VERSION_SIZE];
	acme_store_each(store, folder, acme_version_note, &versions);
	qsort(versions.names, versions.count, VERSION_SIZE, acme_version_compare);
	for (size_t i = 0; i + ACME_VERSIONS_KEPT < versions.count; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, versions.names[i]);
		acme_version_remove(store, path);
	}
}

static int acme_version_fill(const struct acme_store *store, const char *folder,
        struct weir_span chain, struct weir_span key)
{
	char path[ACME_PATH_SIZE + VERSION_SIZE + 16];
	int error = acme_store_make_folder(store, folder);
	snprintf(path, sizeof path, "%s/key.pem", folder);
	if (error == 0)
		error = acme_store_write(store, path, key);
	snprintf(path, sizeof path, "%s/chain.pem", folder);
	return error ? error : acme_store_write(store, path, chain);
}

static int acme_version_use(const struct acme_store *store, const char *folder, const char *version)
{
	char path[ACME_PATH_SIZE];
	snprintf(path, sizeof path, "%s/" ACME_CURRENT, folder);
	return acme_store_write(store, path, weir_span_of(version));
}

bool acme_version_is_good(const char *text)
{
	size_t size = strspn(text, "0123456789");
	return size && size < VERSION_SIZE && !text[size];
}

int acme_store_read_installed(const struct acme_store *store, const char *name,
        struct weir_buffer *ret_chain, struct weir_buffer *ret_key)
{
	char file[ACME_PATH_SIZE / 2], path[ACME_PATH_SIZE], version[VERSION_SIZE] = "";
	struct weir_buffer text = {0};
	acme_store_file_of(name, file, sizeof file - 32);
	snprintf(path, sizeof path, ACME_CERTIFICATES "/%s/" ACME_CURRENT, file);
	int error = acme_store_read(store, path, &text);
	text_copy_span(version, sizeof version, weir_buffer_span(&text));
	weir_buffer_finish(&text);
	if (error == 0 && !acme_version_is_good(version))
		error = -EINVAL;
	snprintf(path, sizeof path, ACME_CERTIFICATES "/%s/%s/chain.pem", file, version);
	if (error == 0)
		error = acme_store_read(store, path, ret_chain);
	snprintf(path, sizeof path, ACME_CERTIFICATES "/%s/%s/key.pem", file, version);
	return error ? error : acme_store_read(store, path, ret_key);
}

int64_t acme_store_installed_ns(const struct acme_store *store, const char *name)
{
	char file[ACME_PATH_SIZE / 2], path[ACME_PATH_SIZE];
	acme_store_file_of(name, file, sizeof file - 32);
	snprintf(path, sizeof path, ACME_CERTIFICATES "/%s/" ACME_CURRENT, file);
	return acme_store_written_ns(store, path);
}

int acme_store_install(const struct acme_store *store, const char *name, struct weir_span chain,
        struct weir_span key)
{
	char file[ACME_PATH_SIZE / 2], folder[ACME_PATH_SIZE - 16], version[VERSION_SIZE];
	char path[ACME_PATH_SIZE + VERSION_SIZE];
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	acme_store_file_of(name, file, sizeof file - 32);
	snprintf(folder, sizeof folder, ACME_CERTIFICATES "/%s", file);
	snprintf(version, sizeof version, "%012lld%09ld", (long long)now.tv_sec, now.tv_nsec);
	snprintf(path, sizeof path, "%s/%s", folder, version);
	int error = acme_version_fill(store, path, chain, key);
	if (error == 0)
		error = acme_version_use(store, folder, version);
	if (error < 0)
		acme_version_remove(store, path);
	else
		acme_versions_prune(store, folder);
	if (error == 0 && store->observer)
		store->observer->installed(store->observer->context, name, chain, key);
	return error;
}

/* -- life -------------------------------------------------------------------------------------- */

int acme_store_open(const char *path, struct acme_store **ret)
{
	static const char *const folders[] = {ACME_ACCOUNTS, ACME_ORDERS, ACME_CERTIFICATES,
	        ACME_STATES, ACME_CHALLENGES, ACME_SERIALS};
	struct acme_store *store = calloc(1, sizeof *store);
	if (!store)
		return -ENOMEM;
	store->lock = -1;
	store->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = store->directory < 0 ? -errno : 0;
	for (size_t i = 0; i < sizeof folders / sizeof *folders && error == 0; i++)
		error = acme_store_make_folder(store, folders[i]);
	if (error == 0)
		*ret = store;
	else
		acme_store_close(store);
	return error;
}

int acme_store_lock(struct acme_store *store)
{
	int fd = openat(store->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		store->lock = fd;
		return 0;
	}
	int error = -errno;
	close(fd);
	return error;
}

void acme_store_close(struct acme_store *store)
{
	if (!store)
		return;
	if (store->lock >= 0)
		close(store->lock);
	if (store->directory >= 0)
		close(store->directory);
	free(store);
}
