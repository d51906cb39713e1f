/*
 * The probe: lends memory that is gone at the next ask, waits when it need not, puts its bytes in
 * three ways. A transformer that keeps what it was lent is found out by the sanitizer, or here by
 * the bytes being overwritten.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drain.h"

struct source {
	struct weir_producer base;
	struct probe probe;
	struct dice dice;
	struct weir_task task;
	char *lent;
	size_t lent_size;
	size_t at;
	int fd;
	bool waited; /* since the last bytes */
};

int probes_open;

int file_of(struct weir_span bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, bytes.data, bytes.size) != (ssize_t)bytes.size)
		abort();
	return fd;
}

static void take_back(struct source *source)
{
	if (source->lent)
		memset(source->lent, 0xdd, source->lent_size);
	free(source->lent);
	source->lent = NULL;
}

static size_t put_bytes(struct source *source, struct weir_output *out, size_t size)
{
	const char *bytes = source->probe.bytes.data + source->at;
	enum probe_kind kind = source->probe.kind;
	if (kind == PROBE_MIXED)
		kind = (enum probe_kind)dice_throw(&source->dice, PROBE_MIXED);
	if (kind == PROBE_FILE)
		return weir_output_file(out, source->fd, (off_t)source->at, size);
	if (kind == PROBE_COPY)
		return weir_output_copy(out, bytes, size);
	source->lent = malloc(size);
	if (!source->lent)
		return 0;
	memcpy(source->lent, bytes, size);
	source->lent_size = size;
	return weir_output_borrow(out, source->lent, size);
}

static void task_run(struct weir_task *task)
{
	weir_wake(&WEIR_CONTAINER(task, struct source, task)->base);
}

static enum weir_more wait_now(struct source *source)
{
	source->waited = true;
	/* Now and then the wake comes at once, from inside. */
	if (dice_throw(&source->dice, 4) == 0)
		weir_wake(&source->base);
	else
		weir_loop_defer(source->probe.loop, &source->task);
	return WEIR_WAIT;
}

static enum weir_more source_more(struct weir_producer *producer, struct weir_output *out)
{
	struct source *source = (struct source *)producer;
	const struct probe *probe = &source->probe;
	take_back(source);
	if (!weir_output_room(out))
		abort();
	if (probe->waits && !source->waited)
		return wait_now(source);
	if (probe->kind == PROBE_MIXED && dice_throw(&source->dice, 8) == 1)
		return WEIR_MORE;
	size_t size = probe->bytes.size - source->at;
	size_t room = weir_output_room(out);
	if (size > room)
		size = room;
	if (probe->step && size > probe->step)
		size = probe->step;
	if (size) {
		size_t put = put_bytes(source, out, size);
		if (!put)
			return WEIR_FAILED;
		source->at += put;
		source->waited = false;
	}
	if (source->at < probe->bytes.size)
		return probe->waits && source->at % 2 ? wait_now(source) : WEIR_MORE;
	return probe->fails ? WEIR_FAILED : WEIR_DONE;
}

static void source_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct source *source = (struct source *)producer;
	(void)why;
	take_back(source);
	weir_loop_cancel(source->probe.loop, &source->task);
	if (source->fd >= 0)
		close(source->fd);
	probes_open--;
	free(source);
}

static int64_t source_size(const struct weir_producer *producer)
{
	return (int64_t)((const struct source *)producer)->probe.bytes.size;
}

static const struct weir_producer_type source_type = {
        .name = "probe",
        .more = source_more,
        .close = source_close,
        .size = source_size,
};

struct weir_producer *probe_create(const struct probe *probe)
{
	struct source *source = calloc(1, sizeof *source);
	if (!source)
		return NULL;
	weir_producer_init(&source->base, &source_type);
	source->probe = *probe;
	source->dice.state = probe->seed;
	source->task.run = task_run;
	source->fd = probe->kind >= PROBE_FILE ? file_of(probe->bytes) : -1;
	probes_open++;
	return &source->base;
}
