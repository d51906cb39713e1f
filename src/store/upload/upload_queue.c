/*
 * The bytes of an upload that wait for the disk, in chunks of one size. Above a bound the sender is
 * paused (back-pressure).
 *
 * Invariant: `queued` counts the bytes in `first` and `writing` together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "helper.h"
#include "upload_state.h"

uint64_t upload_max(const struct weir_upload *upload)
{
	const struct weir_upload_options *options = &upload->options;
	return options->size_known ? options->size : options->size_max;
}

static void upload_queue_free_chunks(struct upload_chunk *chunk)
{
	for (struct upload_chunk *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

void upload_queue_free(struct weir_upload *upload)
{
	upload_queue_free_chunks(upload->first);
	upload_queue_free_chunks(upload->writing);
	upload_queue_free_chunks(upload->spare);
}

static struct upload_chunk *upload_queue_new_chunk(struct weir_upload *upload, size_t capacity)
{
	struct upload_chunk *chunk = upload->spare;
	if (chunk && capacity == UPLOAD_CHUNK) {
		upload->spare = chunk->next;
		return chunk;
	}
	chunk = malloc(sizeof *chunk + capacity);
	if (chunk)
		chunk->capacity = capacity;
	return chunk;
}

/* Pieces share chunks, which have one size except that of a small file. */
static struct upload_chunk *upload_queue_chunk_with_room(struct weir_upload *upload)
{
	struct upload_chunk *chunk = upload->last;
	if (chunk && chunk->size < chunk->capacity)
		return chunk;
	size_t capacity = UPLOAD_CHUNK;
	if (upload->options.size_known)
		capacity = (size_t)min_of((uint64_t)capacity, upload->options.size);
	chunk = upload_queue_new_chunk(upload, capacity);
	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->size = 0;
	if (upload->last)
		upload->last->next = chunk;
	else
		upload->first = chunk;
	upload->last = chunk;
	return chunk;
}

int upload_queue_put(struct weir_upload *upload, struct weir_span bytes)
{
	if (bytes.size > upload_max(upload) - upload->size)
		return WEIR_E_LIMIT;
	while (bytes.size) {
		struct upload_chunk *chunk = upload_queue_chunk_with_room(upload);
		if (!chunk)
			return -ENOMEM;
		size_t size = min_of(chunk->capacity - chunk->size, bytes.size);
		memcpy(chunk->data + chunk->size, bytes.data, size);
		chunk->size += size;
		upload->size += size;
		upload->queued += size;
		bytes = weir_span_skip(bytes, size);
	}
	return 0;
}

/* After a full batch the chunks are reused. A slow upload holds no memory. */
void upload_queue_pop(struct weir_upload *upload)
{
	size_t size = 0;
	for (struct upload_chunk *chunk = upload->writing; chunk; chunk = chunk->next)
		size += chunk->size;
	upload->queued -= size;
	bool reuse = size >= WEIR_UPLOAD_BATCH && upload->request == UPLOAD_OPEN;
	for (struct upload_chunk *chunk = upload->writing, *next; chunk; chunk = next) {
		next = chunk->next;
		if (reuse && chunk->capacity == UPLOAD_CHUNK) {
			chunk->next = upload->spare;
			upload->spare = chunk;
		} else {
			free(chunk);
		}
	}
	upload->writing = NULL;
	if (reuse)
		return;
	upload_queue_free_chunks(upload->spare);
	upload->spare = NULL;
}
