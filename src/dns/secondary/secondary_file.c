/*
 * The file of a version: written beside, synced, renamed, the directory synced. Its time of
 * modification is when a primary last confirmed the zone, so that a restart makes it no younger.
 *
 * A job owns all that it needs; if the secondary goes, it ends by itself. Of one zone there is one
 * at a time, and what became due meanwhile follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "secondary_state.h"
#include "zone_file.h"

enum what {
	READ,
	WRITE,
	TOUCH
};

struct dns_zone_file_job {
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

static void secondary_file_report(void *context, const char *path, unsigned line, const char *text)
{
	struct dns_zone_file_job *job = context;
	(void)path;
	if (!job->why[0])
		snprintf(job->why, sizeof job->why, "line %u: %s", line, text);
}

static int secondary_file_read_file(struct dns_zone_file_job *job)
{
	struct stat status;
	if (stat(job->path, &status) < 0)
		return -errno;
	job->confirmed_s = status.st_mtim.tv_sec;
	return dns_zone_load_saved(job->path, &job->name, secondary_file_report, job, &job->zone);
}

static int secondary_file_sync_directory(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	close(fd);
	return error;
}

static int secondary_file_fill(struct dns_zone_file_job *job, int fd)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = job->confirmed_s}};
	FILE *stream = fdopen(fd, "w");
	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	int error = weir_dns_zone_write(job->zone, stream);
	errno = 0;
	if (error == 0 && (fflush(stream) != 0 || futimens(fd, times) < 0 || fsync(fd) < 0))
		error = errno ? -errno : -EIO;
	if (fclose(stream) != 0 && error == 0)
		error = -errno;
	return error;
}

static int secondary_file_write_file(struct dns_zone_file_job *job)
{
	char *beside;
	if (asprintf(&beside, "%s.new", job->path) < 0)
		return -ENOMEM;
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int error = fd < 0 ? -errno : secondary_file_fill(job, fd);
	if (error == 0 && rename(beside, job->path) < 0)
		error = -errno;
	if (error < 0 && fd >= 0)
		unlink(beside);
	if (error == 0)
		error = secondary_file_sync_directory(beside);
	free(beside);
	return error;
}

static int secondary_file_touch_file(const struct dns_zone_file_job *job)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = job->confirmed_s}};
	return utimensat(AT_FDCWD, job->path, times, 0) < 0 ? -errno : 0;
}

static void secondary_file_run(struct weir_work *work)
{
	struct dns_zone_file_job *job = WEIR_CONTAINER(work, struct dns_zone_file_job, work);
	if (job->what == READ)
		job->error = secondary_file_read_file(job);
	else
		job->error = job->what == WRITE ? secondary_file_write_file(job)
		                                : secondary_file_touch_file(job);
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void secondary_file_free(struct dns_zone_file_job *job)
{
	weir_dns_zone_release(job->zone);
	free(job);
}

static void secondary_file_log_failure(struct dns_secondary *secondary, int error, const char *why)
{
	const struct dns_fetched failure = {
	        .error = error, .why = why && *why ? why : weir_error_text(error)};
	dns_secondary_log(secondary, WEIR_DNS_KEEP_FAILED, NULL, &failure);
}

/* The age is never negative, even if the clock was set back. */
static void secondary_file_after_reading(
        struct dns_secondary *secondary, const struct dns_zone_file_job *job)
{
	if (job->zone) {
		int64_t age_s = weir_loop_wall_s(secondary->owner->loop) - job->confirmed_s;
		dns_secondary_install(secondary, job->zone, max_of(age_s, (int64_t)0) * 1000);
		dns_secondary_log(secondary, WEIR_DNS_RESTORED, NULL, NULL);
	} else if (job->error != -ENOENT) {
		secondary_file_log_failure(secondary, job->error, job->why);
	}
	secondary->state = SECONDARY_RESTING;
	dns_secondary_begin(secondary, 0);
}

/*
 * After a failure the zone is written again with the next confirmation; if the file has gone, at
 * once.
 */
static void secondary_file_after_writing(
        struct dns_secondary *secondary, const struct dns_zone_file_job *job)
{
	bool gone = job->what == TOUCH && job->error == -ENOENT;
	secondary->write_due |= gone;
	secondary->unsaved = job->error < 0;
	if (job->error < 0 && !gone)
		secondary_file_log_failure(secondary, job->error, job->why);
}

static void secondary_file_done(struct weir_work *work)
{
	struct dns_zone_file_job *job = WEIR_CONTAINER(work, struct dns_zone_file_job, work);
	struct dns_secondary *secondary = job->secondary;
	if (secondary) {
		secondary->file_job = NULL;
		if (job->what == READ)
			secondary_file_after_reading(secondary, job);
		else
			secondary_file_after_writing(secondary, job);
		dns_secondary_save(secondary);
	}
	secondary_file_free(job);
}

static struct dns_zone_file_job *secondary_file_make(
        struct dns_secondary *secondary, enum what what)
{
	const char *path = secondary->config->path;
	size_t size = strlen(path) + 1;
	struct dns_zone_file_job *job = calloc(1, sizeof *job + size);
	if (!job)
		return NULL;
	job->secondary = secondary;
	job->what = what;
	job->name = secondary->config->options.name;
	memcpy(job->path, path, size);
	return job;
}

static int secondary_file_submit(struct dns_secondary *secondary, struct dns_zone_file_job *job)
{
	if (!job)
		return -ENOMEM;
	secondary->file_job = job;
	int error = weir_work_submit_to(secondary->owner->loop, WEIR_LANE_NAMES, &job->work,
	        secondary_file_run, secondary_file_done);
	if (error < 0) {
		secondary->file_job = NULL;
		secondary_file_free(job);
	}
	return error;
}

void dns_secondary_read(struct dns_secondary *secondary, bool wait)
{
	struct dns_zone_file_job *job = NULL;
	int error = 0;
	secondary->state = SECONDARY_READING;
	if (secondary->config->options.path) {
		job = secondary_file_make(secondary, READ);
		if (job && wait)
			secondary_file_run(&job->work);
		else
			error = secondary_file_submit(secondary, job);
		if (error == 0 && !wait)
			return;
	}
	if (error < 0)
		secondary_file_log_failure(secondary, error, NULL);
	if (job && error == 0) {
		secondary_file_after_reading(secondary, job);
		secondary_file_free(job);
	} else {
		secondary->state = SECONDARY_RESTING;
		dns_secondary_begin(secondary, 0);
	}
}

void dns_secondary_save(struct dns_secondary *secondary)
{
	enum what what = secondary->write_due ? WRITE : TOUCH;
	if (secondary->file_job || !secondary->zone ||
	        !(secondary->write_due || secondary->touch_due))
		return;
	secondary->write_due = secondary->touch_due = false;
	if (!secondary->config->options.path)
		return;
	struct dns_zone_file_job *job = secondary_file_make(secondary, what);
	if (job) {
		int64_t age_ms = weir_loop_now_ms(secondary->owner->loop) - secondary->confirmed_ms;
		job->zone = weir_dns_zone_hold(secondary->zone);
		job->confirmed_s = weir_loop_wall_s(secondary->owner->loop) - age_ms / 1000;
	}
	int error = secondary_file_submit(secondary, job);
	if (error < 0)
		secondary_file_log_failure(secondary, error, NULL);
}

void dns_secondary_forget(struct dns_secondary *secondary)
{
	if (secondary->file_job)
		secondary->file_job->secondary = NULL;
	secondary->file_job = NULL;
}
