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

static void secondary_keep_report(void *context, const char *path, unsigned line, const char *text)
{
	struct dns_keep *keep = context;
	(void)path;
	if (!keep->why[0])
		snprintf(keep->why, sizeof keep->why, "line %u: %s", line, text);
}

static int secondary_keep_read_file(struct dns_keep *keep)
{
	struct stat status;
	if (stat(keep->path, &status) < 0)
		return -errno;
	keep->confirmed_s = status.st_mtim.tv_sec;
	return dns_zone_load_kept(
	        keep->path, &keep->name, secondary_keep_report, keep, &keep->zone);
}

static int secondary_keep_sync_directory(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	close(fd);
	return error;
}

static int secondary_keep_fill(struct dns_keep *keep, int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = keep->confirmed_s}};
	FILE *stream = fdopen(fd, "w");
	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	int error = dns_zone_write(keep->zone, stream);
	errno = 0;
	if (error == 0 && (fflush(stream) != 0 || futimens(fd, times) < 0 || fsync(fd) < 0))
		error = errno ? -errno : -EIO;
	if (fclose(stream) != 0 && error == 0)
		error = -errno;
	return error;
}

static int secondary_keep_write_file(struct dns_keep *keep)
{
	char *beside;
	if (asprintf(&beside, "%s.new", keep->path) < 0)
		return -ENOMEM;
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int error = fd < 0 ? -errno : secondary_keep_fill(keep, fd);
	if (error == 0 && rename(beside, keep->path) < 0)
		error = -errno;
	if (error < 0 && fd >= 0)
		unlink(beside);
	if (error == 0)
		error = secondary_keep_sync_directory(beside);
	free(beside);
	return error;
}

static int secondary_keep_touch_file(const struct dns_keep *keep)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = keep->confirmed_s}};
	return utimensat(AT_FDCWD, keep->path, times, 0) < 0 ? -errno : 0;
}

static void secondary_keep_run(struct weir_work *work)
{
	struct dns_keep *keep = WEIR_CONTAINER(work, struct dns_keep, work);
	if (keep->what == READ)
		keep->error = secondary_keep_read_file(keep);
	else
		keep->error = keep->what == WRITE ? secondary_keep_write_file(keep)
		                                  : secondary_keep_touch_file(keep);
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void secondary_keep_free(struct dns_keep *keep)
{
	weir_dns_zone_release(keep->zone);
	free(keep);
}

static void secondary_keep_tell_failure(struct dns_secondary *secondary, int error, const char *why)
{
	const struct dns_fetched failure = {
	        .error = error, .why = why && *why ? why : weir_error_text(error)};
	dns_secondary_log(secondary, WEIR_DNS_KEEP_FAILED, NULL, &failure);
}

/* A clock that was wrong makes it no older than now, and no younger. */
static void secondary_keep_after_reading(
        struct dns_secondary *secondary, const struct dns_keep *keep)
{
	if (keep->zone) {
		int64_t age_s = weir_loop_wall_s(secondary->owner->loop) - keep->confirmed_s;
		dns_secondary_install(secondary, keep->zone, age_s > 0 ? age_s * 1000 : 0);
		dns_secondary_log(secondary, WEIR_DNS_RESTORED, NULL, NULL);
	} else if (keep->error != -ENOENT) {
		secondary_keep_tell_failure(secondary, keep->error, keep->why);
	}
	secondary->state = SECONDARY_RESTING;
	dns_secondary_begin(secondary, 0);
}

/* What is not on the disk is written with the next confirmation; a file that is gone at once. */
static void secondary_keep_after_writing(
        struct dns_secondary *secondary, const struct dns_keep *keep)
{
	bool gone = keep->what == TOUCH && keep->error == -ENOENT;
	secondary->write_due |= gone;
	secondary->unkept = keep->error < 0;
	if (keep->error < 0 && !gone)
		secondary_keep_tell_failure(secondary, keep->error, keep->why);
}

static void secondary_keep_done(struct weir_work *work)
{
	struct dns_keep *keep = WEIR_CONTAINER(work, struct dns_keep, work);
	struct dns_secondary *secondary = keep->secondary;
	if (secondary) {
		secondary->keeping = NULL;
		if (keep->what == READ)
			secondary_keep_after_reading(secondary, keep);
		else
			secondary_keep_after_writing(secondary, keep);
		dns_secondary_keep(secondary);
	}
	secondary_keep_free(keep);
}

static struct dns_keep *secondary_keep_make(struct dns_secondary *secondary, enum what what)
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

static int secondary_keep_submit(struct dns_secondary *secondary, struct dns_keep *keep)
{
	if (!keep)
		return -ENOMEM;
	secondary->keeping = keep;
	int error = weir_work_submit_to(secondary->owner->loop, WEIR_LANE_NAMES, &keep->work,
	        secondary_keep_run, secondary_keep_done);
	if (error < 0) {
		secondary->keeping = NULL;
		secondary_keep_free(keep);
	}
	return error;
}

void dns_secondary_read(struct dns_secondary *secondary, bool wait)
{
	struct dns_keep *keep = NULL;
	int error = 0;
	secondary->state = SECONDARY_READING;
	if (secondary->config->options.path) {
		keep = secondary_keep_make(secondary, READ);
		if (keep && wait)
			secondary_keep_run(&keep->work);
		else
			error = secondary_keep_submit(secondary, keep);
		if (error == 0 && !wait)
			return;
	}
	if (error < 0)
		secondary_keep_tell_failure(secondary, error, NULL);
	if (keep && error == 0) {
		secondary_keep_after_reading(secondary, keep);
		secondary_keep_free(keep);
	} else {
		secondary->state = SECONDARY_RESTING;
		dns_secondary_begin(secondary, 0);
	}
}

void dns_secondary_keep(struct dns_secondary *secondary)
{
	enum what what = secondary->write_due ? WRITE : TOUCH;
	if (secondary->keeping || !secondary->zone ||
	        !(secondary->write_due || secondary->touch_due))
		return;
	secondary->write_due = secondary->touch_due = false;
	if (!secondary->config->options.path)
		return;
	struct dns_keep *keep = secondary_keep_make(secondary, what);
	if (keep) {
		int64_t age_ms = weir_loop_now_ms(secondary->owner->loop) - secondary->confirmed_ms;
		keep->zone = weir_dns_zone_hold(secondary->zone);
		keep->confirmed_s = weir_loop_wall_s(secondary->owner->loop) - age_ms / 1000;
	}
	int error = secondary_keep_submit(secondary, keep);
	if (error < 0)
		secondary_keep_tell_failure(secondary, error, NULL);
}

void dns_secondary_forget(struct dns_secondary *secondary)
{
	if (secondary->keeping)
		secondary->keeping->secondary = NULL;
	secondary->keeping = NULL;
}
