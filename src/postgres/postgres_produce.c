/*
 * A query as a producer. Rows are formatted into one buffer while the peer is sent another.
 *
 * Invariant: the stream is paused while WEIR_POSTGRES_PRODUCE_SIZE bytes or more are formatted. So
 * a peer that takes nothing costs both buffers, one row more, and what libpq has read.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "postgres_state.h"

struct produced {
	struct weir_producer base;
	struct weir_postgres_call *call; /* NULL: it has ended */
	const struct weir_postgres_produce_events *events;
	void *context;
	struct weir_buffer formatted;
	struct weir_buffer lent; /* to the peer */
	size_t lent_at;          /* bytes of it that were put */
	bool begun;
	bool paused;
	bool failed;
};

/* The last thing that is done with it: the callback may close the producer. */
static void produced_begin(struct produced *produced, const struct weir_postgres_end *end)
{
	bool first = !produced->begun;
	produced->begun = true;
	weir_wake(&produced->base);
	if (first && produced->events->begun)
		produced->events->begun(produced->context, end);
}

static void produced_on_row(void *context, const struct weir_postgres_row *row)
{
	struct produced *produced = context;
	int error = produced->events->format(produced->context, row, &produced->formatted);
	if (error) {
		struct weir_postgres_end end = {.outcome = WEIR_POSTGRES_UNDONE,
		        .error = error,
		        .state = "",
		        .constraint = "",
		        .text = weir_error_text(error)};
		weir_postgres_call_cancel(produced->call);
		produced->call = NULL;
		produced->failed = true;
		produced_begin(produced, &end);
		return;
	}
	if (produced->formatted.size >= WEIR_POSTGRES_PRODUCE_SIZE) {
		produced->paused = true;
		weir_postgres_call_pause(produced->call);
	}
	produced_begin(produced, NULL);
}

static void produced_on_end(void *context, const struct weir_postgres_end *end)
{
	struct produced *produced = context;
	struct weir_postgres_end changed = *end;
	produced->call = NULL;
	if (!end->error)
		changed.error =
		        produced->events->format(produced->context, NULL, &produced->formatted);
	if (changed.error && !end->error)
		changed.text = weir_error_text(changed.error);
	produced->failed = changed.error != 0;
	produced_begin(produced, &changed);
}

static const struct weir_postgres_events produced_events = {
        .row = produced_on_row,
        .end = produced_on_end,
};

/* Asked again, so the peer has taken all that was lent. */
static void produced_swap(struct produced *produced)
{
	struct weir_buffer taken = produced->lent;
	produced->lent = produced->formatted;
	produced->lent_at = 0;
	/* A buffer that a large row has grown is not retained. */
	if (taken.capacity > 2 * WEIR_POSTGRES_PRODUCE_SIZE)
		weir_buffer_finish(&taken);
	taken.size = 0;
	produced->formatted = taken;
}

static enum weir_more produced_more(struct weir_producer *producer, struct weir_output *out)
{
	struct produced *produced = WEIR_CONTAINER(producer, struct produced, base);
	if (produced->lent_at == produced->lent.size)
		produced_swap(produced);
	size_t put = weir_output_borrow(out, produced->lent.data + produced->lent_at,
	        produced->lent.size - produced->lent_at);
	produced->lent_at += put;
	if (produced->paused && produced->call &&
	        produced->formatted.size < WEIR_POSTGRES_PRODUCE_SIZE) {
		produced->paused = false;
		weir_postgres_call_resume(produced->call);
	}
	if (put || produced->formatted.size || produced->lent_at < produced->lent.size)
		return WEIR_MORE;
	if (produced->call)
		return WEIR_WAIT;
	return produced->failed ? WEIR_FAILED : WEIR_DONE;
}

static void produced_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct produced *produced = WEIR_CONTAINER(producer, struct produced, base);
	if (produced->call)
		weir_postgres_call_cancel(produced->call);
	weir_buffer_finish(&produced->formatted);
	weir_buffer_finish(&produced->lent);
	if (produced->events->close)
		produced->events->close(produced->context, why);
	free(produced);
}

static const struct weir_producer_type produced_type = {
        .name = "query",
        .more = produced_more,
        .close = produced_close,
};

int weir_produce_query(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options,
        const struct weir_postgres_produce_events *events, void *context,
        struct weir_producer **ret)
{
	struct weir_postgres_call_options stream = *options;
	struct produced *produced = calloc(1, sizeof *produced);
	if (!produced)
		return -ENOMEM;
	weir_producer_init(&produced->base, &produced_type);
	produced->events = events;
	produced->context = context;
	stream.stream = true;
	int error = weir_postgres_call_start(
	        postgres, &stream, &produced_events, produced, &produced->call);
	if (error) {
		free(produced);
		return error;
	}
	*ret = &produced->base;
	return 0;
}
