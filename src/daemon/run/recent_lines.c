/* A ring under a lock, which is held for a copy of its lines at most. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "recent_lines.h"

static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent_line recent_lines[RECENT_LINES_MAX];
static size_t recent_count; /* lines that were added; the next one goes to this place */

void recent_lines_add(const char *text, size_t size)
{
	const char *end = memchr(text, 0, size);
	if (end)
		size = (size_t)(end - text);
	if (size > RECENT_LINE_SIZE_MAX)
		size = RECENT_LINE_SIZE_MAX;
	pthread_mutex_lock(&recent_lock);
	struct recent_line *line = &recent_lines[recent_count++ % RECENT_LINES_MAX];
	line->at_s = time(NULL);
	memcpy(line->text, text, size);
	line->text[size] = 0;
	pthread_mutex_unlock(&recent_lock);
}

size_t recent_lines_copy(struct recent_line ret[RECENT_LINES_MAX])
{
	pthread_mutex_lock(&recent_lock);
	size_t count = recent_count < RECENT_LINES_MAX ? recent_count : RECENT_LINES_MAX;
	for (size_t i = 0; i < count; i++)
		ret[i] = recent_lines[(recent_count - 1 - i) % RECENT_LINES_MAX];
	pthread_mutex_unlock(&recent_lock);
	return count;
}
