/*
 * A claimed message: its envelope, and its bytes in an unnamed file, which the relay reads as it
 * reads the file of a queue of files. So a message that is being sent needs no connection to the
 * database, and memory for one chunk at a time.
 *
 *   rows, first chunk ─▶ write ─▶ next chunk ─▶ write ─▶ … ─▶ claimed
 *
 * Invariant: either a call is under way, or work, which owns the file and the chunk then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

enum {
	QUEUE_UNREADABLE_S = 60 * 60, /* until a message that cannot be read is tried again */
	QUEUE_NO_MEANS_S = 60         /* or for which there was no memory, or no file */
};

struct queue_loading {
	struct weir_work work;
	struct queue_claim *claim; /* NULL: cancelled */
	struct queue_reader reader;
	struct weir_buffer chunk;
	bool has_chunk;
	const char *directory;        /* of the queue's options; NULL: memory */
	struct queue_database *queue; /* held while work is under way */
	int fd;
	uint64_t size; /* of the message */
	uint64_t offset;
	unsigned number; /* of the next chunk */
	int error;
};

static const char load_message[] =
        "SELECT " QUEUE_SQL_MESSAGE " FROM weir_queue_message AS m WHERE m.id = $1::uuid";
static const char load_recipients[] =
        "SELECT " QUEUE_SQL_RECIPIENT " FROM weir_queue_recipient AS r WHERE r.id = $1::uuid"
        " ORDER BY r.number";
static const char load_chunk[] = "SELECT bytes FROM weir_body_chunk"
                                 " WHERE body = $1::uuid AND number = $2::int AND " BODY_SQL_BOUND;

/* -- ends -------------------------------------------------------------------------------------- */

static void load_free(struct queue_loading *loading)
{
	if (loading->fd >= 0)
		close(loading->fd);
	queue_reader_clear(&loading->reader);
	weir_buffer_finish(&loading->chunk);
	free(loading);
}

void queue_load_cancel(struct queue_claim *claim)
{
	struct queue_loading *loading = claim->loading;
	if (!loading)
		return;
	claim->loading = NULL;
	loading->claim = NULL;
	if (!loading->queue)
		load_free(loading);
}

static void load_fail(struct queue_claim *claim, int error)
{
	weir_mail_queue_claimed_fn *claimed = claim->claimed;
	void *context = claim->context;
	queue_load_cancel(claim);
	if (error == -ENOENT)
		queue_store_remove(claim);
	else
		queue_store_give_up(claim, error == -EIO ? QUEUE_UNREADABLE_S : QUEUE_NO_MEANS_S);
	claimed(context, error, NULL);
}

static void load_finish(struct queue_claim *claim)
{
	struct queue_loading *loading = claim->loading;
	if (!queue_lease_lasts(claim)) {
		load_fail(claim, -ETIMEDOUT);
		return;
	}
	claim->queued->fd = loading->fd;
	claim->queued->job = claim;
	loading->fd = -1;
	queue_load_cancel(claim);
	claim->phase = QUEUE_CLAIMED;
	claim->claimed(claim->context, 0, claim->queued);
}

/* -- the file ---------------------------------------------------------------------------------- */

/* A file system without unnamed files gets one whose name goes at once. */
static int load_open_file(const char *directory)
{
	char path[4096];
	int fd;
	if (!directory)
		fd = memfd_create("weir-queue", MFD_CLOEXEC);
	else
		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && directory && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) &&
	        (size_t)snprintf(path, sizeof path, "%s/sending.XXXXXX", directory) < sizeof path &&
	        (fd = mkostemp(path, O_CLOEXEC)) >= 0)
		unlink(path);
	return fd < 0 ? -errno : fd;
}

static int load_write(struct queue_loading *loading)
{
	size_t put = 0;
	if (loading->fd < 0) {
		int fd = load_open_file(loading->directory);
		if (fd < 0)
			return fd;
		loading->fd = fd;
	}
	while (put < loading->chunk.size) {
		ssize_t wrote =
		        write(loading->fd, loading->chunk.data + put, loading->chunk.size - put);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		put += (size_t)wrote;
	}
	return 0;
}

static void load_run(struct weir_work *work)
{
	struct queue_loading *loading = WEIR_CONTAINER(work, struct queue_loading, work);
	loading->error = load_write(loading);
}

static void load_next(struct queue_claim *claim);

static void load_done(struct weir_work *work)
{
	struct queue_loading *loading = WEIR_CONTAINER(work, struct queue_loading, work);
	struct queue_claim *claim = loading->claim;
	struct queue_database *queue = loading->queue;
	loading->queue = NULL;
	if (!claim) {
		load_free(loading);
		queue_database_release(queue);
		return;
	}
	/* -EIO stands for a message that is not whole. */
	int error = loading->error == -EIO ? -ENOSPC : loading->error;
	loading->offset += loading->chunk.size;
	weir_buffer_finish(&loading->chunk);
	loading->has_chunk = false;
	if (error < 0)
		load_fail(claim, error);
	else if (loading->offset < loading->size)
		load_next(claim);
	else
		load_finish(claim);
	queue_database_release(queue);
}

/* A chunk has come. */
static void load_submit(struct queue_claim *claim)
{
	struct queue_loading *loading = claim->loading;
	bool fits = loading->has_chunk && loading->chunk.size <= loading->size - loading->offset &&
	            (loading->chunk.size || !loading->size);
	int error = !fits ? -EIO
	                  : weir_work_submit_to(claim->queue->loop, WEIR_LANE_MAIL, &loading->work,
	                            load_run, load_done);
	if (error < 0) {
		load_fail(claim, error);
		return;
	}
	loading->number++;
	loading->queue = claim->queue;
	queue_database_hold(loading->queue);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void load_on_chunk(struct queue_loading *loading, const struct weir_postgres_row *row)
{
	struct weir_span bytes = weir_postgres_row_value(row, 0);
	loading->has_chunk = true;
	loading->chunk.size = 0;
	int error = weir_buffer_append(&loading->chunk, bytes.data, bytes.size, SIZE_MAX);
	if (error < 0)
		loading->error = error;
}

static void load_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_claim *claim = context;
	struct queue_loading *loading = claim->loading;
	if (loading->number || row->statement == 2)
		load_on_chunk(loading, row);
	else if (row->statement == 1)
		queue_reader_recipient(&loading->reader, row, 0);
	else
		queue_reader_message(&loading->reader, row, 0);
}

static void load_on_again(void *context)
{
	struct queue_loading *loading = ((struct queue_claim *)context)->loading;
	queue_reader_clear(&loading->reader);
	loading->chunk.size = 0;
	loading->has_chunk = false;
	loading->error = 0;
}

/* The claim's message gets what the look does not know. */
static int load_head(struct queue_claim *claim)
{
	struct queue_loading *loading = claim->loading;
	struct weir_queued *queued;
	int error = queue_reader_finish(&loading->reader, &queued);
	if (error < 0)
		return error;
	text_copy(queued->id, sizeof queued->id, claim->id);
	queued->arrived_s = claim->queued->arrived_s;
	queued->next_s = claim->queued->next_s;
	queued->tries = claim->queued->tries;
	queued->warned = claim->queued->warned;
	mail_queued_free(claim->queued);
	claim->queued = queued;
	loading->size = queued->size;
	return 0;
}

static void load_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_claim *claim = context;
	struct queue_loading *loading = claim->loading;
	int error = database_outcome(end);
	claim->call = NULL;
	if (error == 0)
		error = loading->error;
	if (error == 0 && !loading->number)
		error = load_head(claim);
	if (error < 0)
		load_fail(claim, error);
	else
		load_submit(claim);
}

static const struct weir_postgres_events load_events = {
        .row = load_on_row,
        .again = load_on_again,
        .end = load_on_end,
};

static int load_call(
        struct queue_claim *claim, const struct weir_postgres_statement *statements, unsigned count)
{
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = count;
	options.idempotent = true;
	options.binary = true;
	return weir_postgres_call_start(
	        claim->queue->pool, &options, &load_events, claim, &claim->call);
}

static void load_next(struct queue_claim *claim)
{
	char number[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(claim->id), body_value_number(claim->loading->number, number)};
	const struct weir_postgres_statement statement = {load_chunk, values, 2};
	int error = load_call(claim, &statement, 1);
	if (error < 0)
		load_fail(claim, error);
}

void queue_load_start(struct queue_claim *claim)
{
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(claim->id), weir_postgres_text("0")};
	const struct weir_postgres_statement statements[] = {
	        {load_message, values, 1},
	        {load_recipients, values, 1},
	        {load_chunk, values, 2},
	};
	/* It was deleted while another front end sent it. */
	if (claim->removes) {
		load_fail(claim, -ENOENT);
		return;
	}
	struct queue_loading *loading = calloc(1, sizeof *loading);
	int error = -ENOMEM;
	if (loading) {
		loading->claim = claim;
		loading->directory = claim->queue->options.directory;
		loading->fd = -1;
		claim->loading = loading;
		error = load_call(claim, statements, 3);
	}
	if (error < 0)
		load_fail(claim, error);
}
