/* See the header. */
#include "front.h"

#include "helper.h"

bool front_skips_pauses;

/* -- time -------------------------------------------------------------------------------------- */

void front_turn(struct front *front)
{
	weir_loop_turn(front->loop, 1);
	if (front_skips_pauses && front->database &&
	        !migrated_awaits_server(front->database, front->loop))
		clock_advance(20);
}

/* -- life -------------------------------------------------------------------------------------- */

void front_open_files(struct front *front, const char *directory)
{
	struct weir_mail_queue_options options =
	        OPTIONS(weir_mail_queue_options, o.path = directory);
	*front = (struct front){0};
	assert_int_equal(weir_loop_create(&front->loop), 0);
	assert_int_equal(weir_mail_queue_open(&options, NULL, NULL, &front->queue), 0);
}

void front_open(struct front *front, struct weir_database *database,
        const struct weir_database_queue_options *options)
{
	*front = (struct front){.database = database};
	assert_int_equal(weir_loop_create(&front->loop), 0);
	assert_int_equal(weir_database_queue_open(database, options, &front->queue), 0);
}

void front_close(struct front *front)
{
	weir_mail_queue_close(front->queue);
	if (front->database)
		migrated_close(front->database, front->loop);
	else
		weir_loop_destroy(front->loop);
}

/* -- putting ----------------------------------------------------------------------------------- */

char front_byte(size_t offset)
{
	return offset % 71 == 70 ? '\n' : offset % 71 == 69 ? '\r' : (char)('a' + offset / 71 % 26);
}

static void front_on_put(void *context, const int *errors)
{
	struct front_put *put = context;
	put->done++;
	put->error = errors[0];
}

static void front_on_ready(void *context, int error)
{
	struct front_put *put = context;
	put->ready++;
	put->failed = error;
}

int front_begin(struct front *front, struct front_put *put, const char *sender, unsigned recipients)
{
	static const struct weir_mail_recipient to[] = {
	        {.address = {"bob@example.org", 15},
	                .orcpt = {"rfc822;b+ob=x y@example.org", 27},
	                .notify = WEIR_MAIL_NOTIFY_FAILURE | WEIR_MAIL_NOTIFY_DELAY},
	        {.address = {"\"a\\ {b},\"@example.org", 21}},
	        {.address = {"\xff\xc3\xa4@example.org", 15}},
	};
	struct weir_mail_sink *sink = weir_mail_queue_sink(front->queue);
	struct weir_mail_envelope envelope = {.sender = weir_span_of(sender),
	        .recipients = to,
	        .count = recipients,
	        .utf8 = true,
	        .headers_only = true,
	        .envid = WEIR_SPAN("id +=\xc3\xa4"),
	        .trace = WEIR_SPAN("1abc")};
	*put = (struct front_put){0};
	return sink->type->begin(sink, front->loop, &envelope, front_on_ready, put, &put->delivery);
}

int front_write(struct front *front, struct front_put *put, size_t size)
{
	struct weir_mail_sink *sink = weir_mail_queue_sink(front->queue);
	char bytes[7919];
	for (size_t at = 0; at < size;) {
		size_t part = min_of(size - at, sizeof bytes);
		for (size_t i = 0; i < part; i++)
			bytes[i] = front_byte(at + i);
		int ready = put->ready;
		int error = sink->type->write(put->delivery, weir_span(bytes, part));
		if (error == WEIR_MAIL_FULL)
			FRONT_TURN(front, put->ready > ready);
		if (error < 0 || put->failed) {
			sink->type->abort(put->delivery);
			return error < 0 ? error : put->failed;
		}
		at += part;
	}
	return 0;
}

void front_commit(struct front *front, struct front_put *put)
{
	weir_mail_queue_sink(front->queue)->type->commit(put->delivery, front_on_put, put);
	assert_int_equal(put->done, 0);
}

int front_put(struct front *front, const char *sender, unsigned recipients, size_t size)
{
	struct front_put put;
	int error = front_begin(front, &put, sender, recipients);
	if (error == 0)
		error = front_write(front, &put, size);
	if (error)
		return error;
	front_commit(front, &put);
	FRONT_TURN(front, put.done);
	return put.error;
}

/* -- claiming ---------------------------------------------------------------------------------- */

struct front_claiming {
	int done;
	int error;
	struct weir_queued *queued;
};

static void front_on_claimed(void *context, int error, struct weir_queued *queued)
{
	*(struct front_claiming *)context = (struct front_claiming){1, error, queued};
}

struct weir_queued *front_claim(struct front *front, int *ret_error)
{
	struct front_claiming claiming = {0};
	/* A database decides by its own clock, and is asked at any time here. */
	int64_t now_s = front->database ? INT64_MAX / 2 : weir_loop_wall_s(front->loop);
	int error = weir_mail_queue_claim(
	        front->queue, front->loop, now_s, front_on_claimed, &claiming);
	if (error == 1)
		FRONT_TURN(front, claiming.done);
	else
		claiming.error = error ? error : -ENOENT;
	*ret_error = claiming.error;
	return claiming.queued;
}

struct weir_queued *front_must_claim(struct front *front)
{
	int error;
	struct weir_queued *queued = front_claim(front, &error);
	assert_int_equal(error, 0);
	return queued;
}

static void front_on_requeued(void *context, int error)
{
	*(struct front_claiming *)context = (struct front_claiming){1, error, NULL};
}

int front_requeue(
        struct front *front, struct weir_queued *queued, enum weir_queued_state state, int in_s)
{
	struct front_claiming requeueing = {0};
	for (size_t i = 0; i < queued->count; i++)
		queued->recipients[i].state = state;
	queued->next_s = weir_loop_wall_s(front->loop) + in_s;
	weir_mail_queue_requeue(front->queue, front->loop, queued, front_on_requeued, &requeueing);
	FRONT_TURN(front, requeueing.done);
	return requeueing.error;
}

/* -- looking ----------------------------------------------------------------------------------- */

struct front_looking {
	struct front_list *list;
	int done;
	int error;
};

static void front_on_show(void *context, const char *id, const struct weir_queued *queued)
{
	struct front_list *list = ((struct front_looking *)context)->list;
	if (list->count < sizeof list->ids / sizeof list->ids[0])
		text_copy(list->ids[list->count], WEIR_QUEUE_ID_SIZE, id);
	list->unreadable += !queued;
	if (queued && !list->count)
		snprintf(list->first, sizeof list->first, "%.*s %u %zu %.*s",
		        (int)queued->envelope.sender.size, queued->envelope.sender.data,
		        (unsigned)queued->size, queued->count,
		        (int)queued->recipients[0].address.size,
		        queued->recipients[0].address.data);
	list->count++;
}

static void front_on_done(void *context, int error)
{
	struct front_looking *looking = context;
	looking->done++;
	looking->error = error;
}

void front_look(struct front *front, struct front_list *ret)
{
	struct front_looking looking = {.list = ret};
	*ret = (struct front_list){0};
	assert_int_equal(weir_mail_queue_list(
	                         front->queue, front->loop, front_on_show, front_on_done, &looking),
	        0);
	FRONT_TURN(front, looking.done);
	assert_int_equal(looking.error, 0);
}

int front_ask(struct front *front, enum weir_queue_command command, const char *id)
{
	struct front_looking looking = {0};
	int error = weir_mail_queue_ask(
	        front->queue, front->loop, command, id, front_on_done, &looking);
	if (error < 0)
		return error;
	FRONT_TURN(front, looking.done);
	return looking.error;
}
