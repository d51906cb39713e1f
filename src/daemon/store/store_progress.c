/* The progress of an import or an export. See store_progress.h. */
#include "store_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

enum {
	PROGRESS_BAR = 30, /* columns */
	PROGRESS_BAR_MS = 250,
	PROGRESS_LINE_MS = 10000,
	PROGRESS_SIZE = 16
};

static int64_t progress_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static const char *progress_size(char text[PROGRESS_SIZE], uint64_t octets)
{
	static const char units[] = " KMGTP";
	double size = (double)octets;
	int unit = 0;
	for (; size >= 1000 && units[unit + 1]; unit++)
		size /= 1000;
	if (unit == 0)
		snprintf(text, PROGRESS_SIZE, "%.0f B", size);
	else
		snprintf(text, PROGRESS_SIZE, "%.1f %cB", size, units[unit]);
	return text;
}

static const char *progress_unit(const struct store_progress *progress)
{
	return progress->counts.moved == 1 ? progress->unit.one : progress->unit.many;
}

void store_progress_begin(
        struct store_progress *progress, const char *name, struct store_unit unit, const char *done)
{
	*progress = (struct store_progress){
	        .name = name, .unit = unit, .done = done, .terminal = isatty(STDERR_FILENO)};
	progress->begun_ms = progress->shown_ms = progress_now_ms();
}

static void progress_draw(const struct store_progress *progress, int64_t now_ms)
{
	const struct weir_database_transfer_counts *counts = &progress->counts;
	int64_t passed_ms = now_ms - progress->begun_ms;
	char size[PROGRESS_SIZE], bar[PROGRESS_BAR + 1];
	double part = counts->total ? (double)counts->done / (double)counts->total : 0;
	int full = (int)((part < 1 ? part : 1) * PROGRESS_BAR);
	for (int i = 0; i < PROGRESS_BAR; i++)
		bar[i] = i < full ? '#' : '.';
	bar[PROGRESS_BAR] = 0;
	fprintf(stderr, "\r%s [%s] %3.0f %%, %" PRIu64 " %s, %s, %.0f/s\033[K", progress->name, bar,
	        part * 100, counts->moved, progress_unit(progress),
	        progress_size(size, counts->octets),
	        (double)counts->moved * 1000 / (double)(passed_ms > 0 ? passed_ms : 1));
}

void store_progress_note(
        struct store_progress *progress, const struct weir_database_transfer_counts *counts)
{
	int64_t now_ms = progress_now_ms();
	progress->counts = *counts;
	if (now_ms - progress->shown_ms < (progress->terminal ? PROGRESS_BAR_MS : PROGRESS_LINE_MS))
		return;
	progress->shown_ms = now_ms;
	if (progress->terminal) {
		progress->drawn = true;
		progress_draw(progress, now_ms);
	} else {
		say("%s: %" PRIu64 " of %" PRIu64 " done, %" PRIu64 " %s %s", progress->name,
		        counts->done, counts->total, counts->moved, progress_unit(progress),
		        progress->done);
	}
}

void store_progress_clear(struct store_progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}

void store_progress_end(struct store_progress *progress)
{
	const struct weir_database_transfer_counts *counts = &progress->counts;
	char size[PROGRESS_SIZE], octets[PROGRESS_SIZE + 4] = "";
	store_progress_clear(progress);
	if (counts->octets)
		snprintf(octets, sizeof octets, ", %s", progress_size(size, counts->octets));
	say("%s: %" PRIu64 " %s %s%s; %" PRIu64 " %s there, %" PRIu64 " left out", progress->name,
	        counts->moved, progress_unit(progress), progress->done, octets, counts->there,
	        counts->there == 1 ? "was" : "were", counts->failed);
}
