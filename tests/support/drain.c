/*
 * The harness. It reports a fault as a text, so that tests and fuzz targets can fail each in their
 * own manner.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drain.h"
#include "loop_internal.h"
#include "producer_internal.h"

enum {
	PIECES_MAX = 128,
	ROOM_MAX = 72 * 1024,
	TURN_MS = 1000
};

unsigned dice_throw(struct dice *dice, unsigned below)
{
	if (dice->bytes) {
		if (dice->size == 0)
			return 0;
		dice->size--;
		return *dice->bytes++ % below;
	}
	dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(dice->state >> 33) % below;
}

static void on_wake(struct weir_waiter *waiter)
{
	WEIR_CONTAINER(waiter, struct drain, waiter)->woken = true;
}

static size_t choose_room(struct drain *drain)
{
	static const unsigned tops[] = {1, 4, 20, 300, 5000, ROOM_MAX};
	return drain->room ? drain->room
	                   : 1 + dice_throw(&drain->dice, tops[dice_throw(&drain->dice, 6)]);
}

static unsigned choose_pieces(struct drain *drain)
{
	static const unsigned choices[] = {1, 2, 3, 4, 10, PIECES_MAX};
	return drain->pieces ? drain->pieces : choices[dice_throw(&drain->dice, 6)];
}

static const char *check_output(const struct weir_output *out, size_t room, unsigned pieces)
{
	size_t size = 0;
	for (unsigned i = 0; i < out->count; i++) {
		if (out->pieces[i].size == 0)
			return "an empty piece";
		size += out->pieces[i].size;
	}
	if (out->count > pieces)
		return "more pieces than free_pieces";
	if (size != out->size || out->size + out->room != room)
		return "bytes wrongly counted";
	return NULL;
}

/* Appends what was put. An allocation that was made to fail may be this one: so once more. */
static const char *take(const struct weir_output *out, struct weir_buffer *to)
{
	if (weir_buffer_reserve(to, out->size, SIZE_MAX / 2) < 0 &&
	        weir_buffer_reserve(to, out->size, SIZE_MAX / 2) < 0)
		return "no memory for the harness";
	if (output_read(out, to->data + to->size) < 0)
		return "a file extent that cannot be read";
	to->size += out->size;
	return NULL;
}

static bool same_extent(const struct weir_piece *piece, const char *were)
{
	char bytes[4096];
	for (size_t at = 0; at < piece->size;) {
		size_t size = piece->size - at < sizeof bytes ? piece->size - at : sizeof bytes;
		ssize_t got = pread(piece->fd, bytes, size, piece->offset + (off_t)at);
		if (got != (ssize_t)size || memcmp(bytes, were + at, size) != 0)
			return false;
		at += size;
	}
	return true;
}

/* Lent pieces must be what they were, also after the scratch is gone. */
static const char *check_lent(const struct weir_output *out, const char *were)
{
	for (unsigned i = 0; i < out->count; i++) {
		const struct weir_piece *piece = &out->pieces[i];
		if (piece->kind == WEIR_PIECE_BORROWED &&
		        memcmp(piece->data, were, piece->size) != 0)
			return "lent memory changed before the next ask";
		if (piece->kind == WEIR_PIECE_FILE && !same_extent(piece, were))
			return "a lent extent changed before the next ask";
		were += piece->size;
	}
	return NULL;
}

static const char *wait_for_wake(struct drain *drain)
{
	drain->waits++;
	for (int turns = 0; !drain->woken; turns++) {
		if (turns == 100)
			return "no wake after a wait";
		weir_loop_turn(drain->loop, TURN_MS);
	}
	return NULL;
}

static const char *ask(struct drain *drain, struct weir_producer *producer)
{
	struct weir_piece pieces[PIECES_MAX];
	struct weir_output out;
	size_t room = choose_room(drain);
	unsigned free_pieces = choose_pieces(drain);
	size_t before = drain->bytes.size;
	output_init(&out, drain->loop, pieces, free_pieces, room);
	drain->woken = false;
	drain->asks++;
	drain->end = weir_producer_more(producer, &out);
	const char *wrong = check_output(&out, room, free_pieces);
	if (!wrong && drain->end == WEIR_MORE && !out.size)
		wrong = "WEIR_MORE with nothing put";
	if (!wrong)
		wrong = take(&out, &drain->bytes);
	arena_reset(loop_arena(drain->loop));
	if (!wrong && drain->end == WEIR_WAIT)
		wrong = wait_for_wake(drain);
	if (!wrong)
		wrong = check_lent(&out, drain->bytes.data + before);
	if (out.size > drain->largest)
		drain->largest = out.size;
	return wrong;
}

/* Asked again after its end, with nothing to take. */
static const char *check_sticky(struct drain *drain, struct weir_producer *producer)
{
	enum weir_more end = drain->end;
	size_t size = drain->bytes.size;
	const char *wrong = ask(drain, producer);
	if (!wrong && (drain->end != end || drain->bytes.size != size))
		wrong = "an end that is not sticky";
	return wrong;
}

static const char *drain_all(struct drain *drain, struct weir_producer *producer)
{
	const char *wrong = NULL;
	int64_t told = weir_producer_size(producer);
	do {
		wrong = ask(drain, producer);
		if (wrong)
			return wrong;
		if (drain->stop_at && drain->bytes.size >= drain->stop_at) {
			drain->end = WEIR_MORE;
			return NULL;
		}
	} while (drain->end == WEIR_MORE || drain->end == WEIR_WAIT);
	if (drain->end == WEIR_DONE && told >= 0 && (size_t)told != drain->bytes.size)
		return "not the size that was told";
	return check_sticky(drain, producer);
}

const char *drain(struct drain *drain, struct weir_producer *producer)
{
	drain->waiter.wake = on_wake;
	producer->waiter = &drain->waiter;
	const char *wrong = drain_all(drain, producer);
	enum weir_close_reason why = WEIR_CLOSE_ABORTED;
	if (drain->end == WEIR_DONE)
		why = WEIR_CLOSE_DONE;
	else if (drain->end == WEIR_FAILED)
		why = WEIR_CLOSE_FAILED;
	if (drain->end != WEIR_DONE)
		weir_producer_consumed(producer, drain->unsent);
	weir_producer_close(producer, why);
	return wrong;
}

void drain_free(struct drain *drain)
{
	weir_buffer_finish(&drain->bytes);
}
