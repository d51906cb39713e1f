/*
 * The file of a version: written beside, synced, renamed, the directory synced. Its time of
 * modification is when a primary last confirmed the zone, so that a restart makes it no younger.
 *
 * A job owns all that it needs; if the secondary goes, it ends by itself. Of one zone there is one at
 * a time, and what became due meanwhile follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "secondary_state.h"
#include "zone_file.h"
#include "zone_write.h"

enum what {
	READ,
	WRITE,
	TOUCH
};

struct dns_keep {
	struct weir_work work;
	struct dns_secondary *secondary; /* NULL: gone */
	enum what what;
	struct weir_dns_name name;
	struct weir_dns_zone *zone; /* to be written, or that was read */
	int64_t confirmed_s;        /* since 1970: the same */
	int error;
	char why[200];
	char path[];
};

/* -- on the pool ------------------------------------------------------------------------------- */

static void report(void *context, const char *path, unsigned line, const char *text)
{
	struct dns_keep *keep = context;
	(void)path;
	if (!keep->why[0])
		snprintf(keep->why, sizeof keep->why, "line %u: %s", line, text);
}

static int read_file(struct dns_keep *keep)
{
	struct stat status;
	if (stat(keep->path, &status) < 0)
		return -errno;
	keep->confirmed_s = status.st_mtim.tv_sec;
	return dns_zone_load_kept(keep->path, &keep->name, report, keep, &keep->zone);
}

static int sync_directory(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	close(fd);
	return error;
}

static int fill(struct dns_keep *keep, int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = keep->confirmed_s}};
	FILE *stream = fdopen(fd, "w");
	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	int error = weir_dns_zone_write(keep->zone, stream);
	errno = 0;
	if (error == 0 && (fflush(stream) != 0 || futimens(fd, times) < 0 || fsync(fd) < 0))
		error = errno ? -errno : -EIO;
	if (fclose(stream) != 0 && error == 0)
		error = -errno;
	return error;
}

static int write_file(struct dns_keep *keep)
{
	char *beside;
	if (asprintf(&beside, "%s.new", keep->path) < 0)
		return -ENOMEM;
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int error = fd < 0 ? -errno : fill(keep, fd);
	if (error == 0 && rename(beside, keep->path) < 0)
		error = -errno;
	if (error < 0 && fd >= 0)
		unlink(beside);
	if (error == 0)
		error = sync_directory(beside);
	free(beside);
	return error;
}

static int touch_file(const struct dns_keep *keep)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = keep->confirmed_s}};
	return utimensat(AT_FDCWD, keep->path, times, 0) < 0 ? -errno : 0;
}

static void run(struct weir_work *work)
{
	struct dns_keep *keep = WEIR_CONTAINER(work, struct dns_keep, work);
	if (keep->what == READ)
		keep->error = read_file(keep);
	else
		keep->error = keep->what == WRITE ? write_file(keep) : touch_file(keep);
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void free_keep(struct dns_keep *keep)
{
	weir_dns_zone_release(keep->zone);
	free(keep);
}

static void tell_failure(struct dns_secondary *secondary, int error, const char *why)
{
	const struct dns_fetched failure = {
	        .error = error, .why = why && *why ? why : weir_error_text(error)};
	weir_dns_secondary_log(secondary, WEIR_DNS_KEEP_FAILED, NULL, &failure);
}

/* A clock that was wrong makes it no older than now, and no younger. */
static void after_reading(struct dns_secondary *secondary, const struct dns_keep *keep)
{
	if (keep->zone) {
		int64_t age_s = weir_loop_wall_s(secondary->owner->loop) - keep->confirmed_s;
		weir_dns_secondary_install(secondary, keep->zone, age_s > 0 ? age_s * 1000 : 0);
		weir_dns_secondary_log(secondary, WEIR_DNS_RESTORED, NULL, NULL);
	} else if (keep->error != -ENOENT) {
		tell_failure(secondary, keep->error, keep->why);
	}
	secondary->state = SECONDARY_RESTING;
	weir_dns_secondary_begin(secondary, 0);
}

/* What is not on the disk is written with the next confirmation; a file that is gone at once. */
static void after_writing(struct dns_secondary *secondary, const struct dns_keep *keep)
{
	bool gone = keep->what == TOUCH && keep->error == -ENOENT;
	secondary->write_due |= gone;
	secondary->unkept = keep->error < 0;
	if (keep->error < 0 && !gone)
		tell_failure(secondary, keep->error, keep->why);
}

static void done(struct weir_work *work)
{
	struct dns_keep *keep = WEIR_CONTAINER(work, struct dns_keep, work);
	struct dns_secondary *secondary = keep->secondary;
	if (secondary) {
		secondary->keeping = NULL;
		if (keep->what == READ)
			after_reading(secondary, keep);
		else
			after_writing(secondary, keep);
		weir_dns_secondary_keep(secondary);
	}
	free_keep(keep);
}

static struct dns_keep *make(struct dns_secondary *secondary, enum what what)
{
	const char *path = secondary->config->path;
	size_t size = strlen(path) + 1;
	struct dns_keep *keep = calloc(1, sizeof *keep + size);
	if (!keep)
		return NULL;
	keep->secondary = secondary;
	keep->what = what;
	keep->name = secondary->config->options.name;
	memcpy(keep->path, path, size);
	return keep;
}

static int submit(struct dns_secondary *secondary, struct dns_keep *keep)
{
	if (!keep)
		return -ENOMEM;
	secondary->keeping = keep;
	int error = weir_work_submit_to(
	        secondary->owner->loop, WEIR_LANE_NAMES, &keep->work, run, done);
	if (error < 0) {
		secondary->keeping = NULL;
		free_keep(keep);
	}
	return error;
}

void weir_dns_secondary_read(struct dns_secondary *secondary, bool wait)
{
	struct dns_keep *keep = NULL;
	int error = 0;
	secondary->state = SECONDARY_READING;
	if (secondary->config->options.path) {
		keep = make(secondary, READ);
		if (keep && wait)
			run(&keep->work);
		else
			error = submit(secondary, keep);
		if (error == 0 && !wait)
			return;
	}
	if (error < 0)
		tell_failure(secondary, error, NULL);
	if (keep && error == 0) {
		after_reading(secondary, keep);
		free_keep(keep);
	} else {
		secondary->state = SECONDARY_RESTING;
		weir_dns_secondary_begin(secondary, 0);
	}
}

void weir_dns_secondary_keep(struct dns_secondary *secondary)
{
	enum what what = secondary->write_due ? WRITE : TOUCH;
	if (secondary->keeping || !secondary->zone ||
	        !(secondary->write_due || secondary->touch_due))
		return;
	secondary->write_due = secondary->touch_due = false;
	if (!secondary->config->options.path)
		return;
	struct dns_keep *keep = make(secondary, what);
	if (keep) {
		int64_t age_ms = weir_loop_now_ms(secondary->owner->loop) - secondary->confirmed_ms;
		keep->zone = weir_dns_zone_hold(secondary->zone);
		keep->confirmed_s = weir_loop_wall_s(secondary->owner->loop) - age_ms / 1000;
	}
	int error = submit(secondary, keep);
	if (error < 0)
		tell_failure(secondary, error, NULL);
}

void weir_dns_secondary_forget(struct dns_secondary *secondary)
{
	if (secondary->keeping)
		secondary->keeping->secondary = NULL;
	secondary->keeping = NULL;
}
