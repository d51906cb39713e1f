/*
 * The connection as a producer in the channel's reply queue. Each time it is asked, it puts the
 * frames that wait in `control`, and then those of the ready streams, in the order of the list, as
 * long as there is room. So the frames of all streams leave in one call.
 *
 *   control │ HEADERS 1 │ DATA 1 … │ HEADERS 3 │ DATA 3 …
 *
 * A stream's producer is asked once for each output, with room for its windows and the output. When
 * the connection is asked again, all bytes were taken: streams that are complete end then, and the
 * answer is WEIR_DONE only when no stream is left.
 */
#include "h2_connection.h"
#include "helper.h"

/* -- the writer -------------------------------------------------------------------------------- */

enum {
	H2_WRITER_SIZE = 4096, /* bytes that are reserved at once */
};

bool h2_writer_reserve_more(struct h2_writer *writer, size_t size)
{
	size_t got;
	h2_writer_commit(writer);
	size_t room = weir_output_room(writer->out);
	if (room < size)
		return false;
	size_t wanted = min_of(max_of(size, (size_t)H2_WRITER_SIZE), room);
	char *begin = weir_output_reserve(writer->out, wanted, &got);
	if (!begin)
		return false;
	writer->begin = writer->at = begin;
	writer->end = begin + got;
	return true;
}

void h2_writer_commit(struct h2_writer *writer)
{
	if (writer->begin)
		weir_output_commit(writer->out, (size_t)(writer->at - writer->begin));
	writer->begin = writer->at = writer->end = NULL;
}

/* -- a stream ---------------------------------------------------------------------------------- */

static enum h2_served h2_output_serve(struct h2_stream *stream, struct h2_writer *writer)
{
	struct weir_http_exchange *exchange = stream->exchange;
	bool fresh = writer->out->size == 0 && writer->at == writer->begin;
	/* Bytes lent to this output must not change before the output has been taken. */
	if (stream->output_number == stream->connection->output_number)
		return H2_SERVED;
	if (exchange->reply_state < HTTP_REPLY_BODY &&
	        (exchange->handling->interim.size ||
	                exchange->continue_state == HTTP_CONTINUE_DUE) &&
	        !h2_block_put_interims(stream, writer))
		return fresh ? H2_SERVED_FAILED : H2_SERVED_NO_ROOM;
	if (exchange->reply_state == HTTP_REPLY_AWAITED) {
		weir_list_remove(&stream->ready_link);
		return H2_SERVED;
	}
	if (exchange->reply_state != HTTP_REPLY_HEAD)
		return h2_data_serve(stream, writer);
	bool ends = !exchange->body;
	size_t head = h2_block_head_max(exchange) + H2_FRAME_HEADER_SIZE;
	size_t lent = h2_data_lent_size(stream, writer, head);
	if (!h2_writer_reserve(writer, head + (lent <= H2_DATA_COPY_MAX ? lent : 0)))
		return fresh ? H2_SERVED_FAILED : H2_SERVED_NO_ROOM;
	h2_block_put_head(stream, writer, ends);
	if (!ends && !lent)
		return h2_data_serve(stream, writer);
	if (ends)
		h2_data_end(stream);
	else
		h2_data_put_lent(stream, writer, lent);
	return H2_SERVED;
}

/* -- the producer ------------------------------------------------------------------------------ */

static void h2_output_finish_sent(struct h2_connection *connection)
{
	while (!weir_list_empty(&connection->sent))
		h2_stream_finish(
		        WEIR_CONTAINER(connection->sent.next, struct h2_stream, ready_link));
}

/* Returns false without memory. */
static bool h2_output_put_control(struct h2_connection *connection, struct weir_output *out)
{
	struct weir_buffer *control = &connection->control;
	if (control->size) {
		size_t put = weir_output_copy(out, control->data, control->size);
		if (put == 0)
			return false;
		if (put == control->size)
			weir_buffer_finish(control);
		else
			weir_buffer_consume(control, put);
	} else if (connection->input_held) {
		/* All of it was taken. */
		connection->input_held = false;
		weir_channel_resume(connection->channel);
	}
	return true;
}

static enum h2_served h2_output_serve_all(struct h2_connection *connection, struct weir_output *out)
{
	struct h2_writer writer = {.out = out};
	enum h2_served served = H2_SERVED;
	WEIR_LIST_EACH_SAFE (
	        struct h2_stream, stream, next_stream, &connection->ready, ready_link) {
		served = h2_output_serve(stream, &writer);
		if (served != H2_SERVED)
			break;
	}
	h2_writer_commit(&writer);
	return served;
}

enum weir_more h2_output_more(struct weir_producer *producer, struct weir_output *out)
{
	struct h2_connection *connection = WEIR_CONTAINER(producer, struct h2_connection, producer);
	size_t before = out->size;
	connection->output_open = false;
	h2_output_finish_sent(connection);
	connection->output_number++;
	if (!h2_output_put_control(connection, out))
		return WEIR_FAILED;
	if (!connection->failed && h2_output_serve_all(connection, out) == H2_SERVED_FAILED)
		return WEIR_FAILED;
	connection->output_open = out->size > before;
	if (connection->output_open)
		return WEIR_MORE;
	if (!weir_list_empty(&connection->streams)) {
		if (!weir_list_empty(&connection->ready))
			weir_wake(producer);
		return WEIR_WAIT;
	}
	if (connection->goaway_sent)
		weir_channel_close(connection->channel);
	return WEIR_DONE;
}

void h2_output_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct h2_connection *connection = WEIR_CONTAINER(producer, struct h2_connection, producer);
	connection->queued = false;
	if (why == WEIR_CLOSE_DONE || producer->taken == producer->put)
		h2_output_finish_sent(connection);
}
