/*
 * The output of `weir fetch`. Invariant: a file that was begun is renamed, or removed, also when a
 * signal ends the program. Another kind of file, such as /dev/null, is written in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "fetch_output.h"
#include "say.h"

enum {
	DRAW_EVERY_MS = 250,
	NEW_FILE_MODE = 0666, /* and the umask */
};

/* -- the temporary file ------------------------------------------------------------------------ */

static char fetch_output_unlinked[PATH_MAX]; /* by the next signal */

static void fetch_output_on_signal(int number)
{
	if (*fetch_output_unlinked)
		unlink(fetch_output_unlinked);
	signal(number, SIG_DFL);
	raise(number);
}

/* Sets the handler, and returns the set of its signals. */
static sigset_t fetch_output_handle_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = fetch_output_on_signal}, before;
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		sigaddset(&set, numbers[i]);
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
	return set;
}

/* No signal comes between the creation of the file and the note of its name. */
static int fetch_output_make_temporary(struct fetch_output *output, mode_t mode)
{
	if (strlen(output->path) + sizeof ".XXXXXX" > sizeof output->temporary)
		return -ENAMETOOLONG;
	snprintf(output->temporary, sizeof output->temporary, "%s.XXXXXX", output->path);
	sigset_t set = fetch_output_handle_signals(), before;
	sigprocmask(SIG_BLOCK, &set, &before);
	int fd = mkostemp(output->temporary, O_CLOEXEC);
	int error = fd < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
	if (fd >= 0 && error) {
		unlink(output->temporary);
		close(fd);
	}
	if (error)
		output->temporary[0] = 0;
	strcpy(fetch_output_unlinked, output->temporary);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return error ? error : fd;
}

static int fetch_output_open(struct fetch_output *output)
{
	struct stat status;
	if (!output->path)
		return STDOUT_FILENO;
	if (stat(output->path, &status) == 0 && !S_ISREG(status.st_mode)) {
		int fd = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	mode_t mask = umask(0);
	umask(mask);
	return fetch_output_make_temporary(output, NEW_FILE_MODE & ~mask);
}

/* -- progress ---------------------------------------------------------------------------------- */

static const char *fetch_output_size(char text[16], double bytes)
{
	static const char units[] = " KMGTP";
	size_t unit = 0;
	while (bytes >= 1000 && units[unit + 1]) {
		bytes /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(text, 16, "%.0f B", bytes);
	else
		snprintf(text, 16, "%.1f %cB", bytes, units[unit]);
	return text;
}

static void fetch_output_draw(struct fetch_output *output, int64_t now_ms)
{
	char done[16], total[16], rate[16];
	int64_t passed = now_ms - output->begun_ms;
	if (!output->progress || now_ms - output->drawn_ms < DRAW_EVERY_MS)
		return;
	output->drawn_ms = now_ms;
	output->drawn = true;
	fetch_output_size(done, (double)output->bytes);
	fetch_output_size(rate, (double)output->bytes * 1000 / (double)(passed > 0 ? passed : 1));
	if (output->total > 0)
		fprintf(stderr, "\r%s of %s, %.0f %%, %s/s\033[K", done,
		        fetch_output_size(total, (double)output->total),
		        (double)output->bytes * 100 / (double)output->total, rate);
	else
		fprintf(stderr, "\r%s, %s/s\033[K", done, rate);
}

static void fetch_output_clear(struct fetch_output *output)
{
	if (output->drawn)
		fputs("\r\033[K", stderr);
	output->drawn = false;
}

/* -- the life of an output --------------------------------------------------------------------- */

static int fetch_output_failed(struct fetch_output *output, int error)
{
	fetch_output_clear(output);
	/* The reader of a pipe has seen enough, and knows that. */
	if (output->path || error != -EPIPE)
		say("%s: %s", output->path ? output->path : "standard output",
		        weir_error_text(error));
	return error;
}

void fetch_output_init(struct fetch_output *output, const char *path)
{
	*output = (struct fetch_output){
	        .path = path,
	        .fd = -1,
	        .total = -1,
	        .progress = isatty(STDERR_FILENO) && (path || !isatty(STDOUT_FILENO)),
	};
}

int fetch_output_begin(struct fetch_output *output, int64_t total, int64_t now_ms)
{
	output->total = total;
	output->begun_ms = output->drawn_ms = now_ms;
	if (output->fd >= 0)
		return 0;
	int fd = fetch_output_open(output);
	if (fd < 0)
		return fetch_output_failed(output, fd);
	output->fd = fd;
	return 0;
}

int fetch_output_write(struct fetch_output *output, struct weir_span bytes)
{
	while (bytes.size) {
		ssize_t put = write(output->fd, bytes.data, bytes.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return fetch_output_failed(output, put < 0 ? -errno : -EIO);
		bytes = weir_span_skip(bytes, (size_t)put);
	}
	return 0;
}

int fetch_output_add(struct fetch_output *output, struct weir_span bytes, int64_t now_ms)
{
	output->bytes += bytes.size;
	fetch_output_draw(output, now_ms);
	return fetch_output_write(output, bytes);
}

int fetch_output_end(struct fetch_output *output, bool complete)
{
	int error = 0;
	fetch_output_clear(output);
	if (output->fd < 0)
		return 0;
	if (output->path && close(output->fd) < 0)
		error = -errno;
	output->fd = -1;
	if (*output->temporary && complete && error == 0)
		error = rename(output->temporary, output->path) < 0 ? -errno : 0;
	if (*output->temporary && (!complete || error))
		unlink(output->temporary);
	output->temporary[0] = fetch_output_unlinked[0] = 0;
	return error ? fetch_output_failed(output, error) : 0;
}
