/*
 * The scan of messages. Its only state is whether the first byte is at the start of a line. Bytes
 * whose meaning is open come again at the front of the next scan: a CR that may be bare, a dot that
 * may be the end.
 */
#include "message_data.h"

enum {
	/*
	 * Each cut starts a new search; a window keeps it from searching far ahead again and again.
	 */
	WINDOW = 1024
};

enum find {
	FIND_NONE,
	FIND_LINE, /* *ret_at is behind a CRLF */
	FIND_BARE, /* *ret_at is at a bare CR or LF */
	FIND_EDGE, /* *ret_at is at a CR, the last byte */
};

/* Finds the first CR or LF from `at` on. */
static enum find smtp_data_find_line_end(const char *at, const char *end, const char **ret_at)
{
	while (at < end) {
		const char *limit = end - at > WINDOW ? at + WINDOW : end;
		const char *lf = memchr(at, '\n', (size_t)(limit - at));
		if (lf)
			limit = lf;
		const char *cr = memchr(at, '\r', (size_t)(limit - at));
		*ret_at = cr ? cr : lf;
		if (cr && cr + 1 == end)
			return FIND_EDGE;
		if (cr && cr[1] == '\n') {
			*ret_at = cr + 2;
			return FIND_LINE;
		}
		if (*ret_at)
			return FIND_BARE;
		at = limit;
	}
	return FIND_NONE;
}

static enum weir_scan smtp_data_cut(struct smtp_data *data, enum smtp_cut smtp_data_cut, size_t end,
        size_t strip, struct weir_cut *ret)
{
	data->cut = smtp_data_cut;
	data->line_start = false;
	ret->end = end;
	ret->strip = strip;
	return WEIR_SCAN_FOUND;
}

/* -- DATA -------------------------------------------------------------------------------------- */

static enum weir_scan smtp_data_hold(
        struct smtp_data *data, bool line_start, size_t size, struct weir_cut *ret)
{
	data->line_start = line_start;
	ret->hold = size;
	return WEIR_SCAN_MORE;
}

static enum weir_scan smtp_data_scan_dot(
        struct smtp_data *data, struct weir_span span, size_t at, struct weir_cut *ret)
{
	size_t left = span.size - at;
	const char *dot = span.data + at;
	if (left == 1 || (left == 2 && dot[1] == '\r'))
		return smtp_data_hold(data, true, left, ret);
	if (dot[1] == '\r' && dot[2] == '\n')
		return smtp_data_cut(data, WEIR_SMTP_CUT_END, at + 3, 3, ret);
	return smtp_data_cut(data, WEIR_SMTP_CUT_DOT, at + 1, 1, ret);
}

static enum weir_scan smtp_data_scan_lines(
        struct smtp_data *data, struct weir_span span, struct weir_cut *ret)
{
	const char *at = span.data, *end = span.data + span.size;
	bool line_start = data->line_start;
	while (at < end) {
		if (line_start && *at == '.')
			return smtp_data_scan_dot(data, span, (size_t)(at - span.data), ret);
		switch (smtp_data_find_line_end(at, end, &at)) {
		case FIND_NONE:
			return smtp_data_hold(data, false, 0, ret);
		case FIND_EDGE:
			return smtp_data_hold(data, false, 1, ret);
		case FIND_LINE:
			line_start = true;
			break;
		case FIND_BARE:
			data->bare = true;
			line_start = false;
			at++;
			if (data->normalise)
				return smtp_data_cut(
				        data, WEIR_SMTP_CUT_BARE, (size_t)(at - span.data), 1, ret);
			break;
		}
	}
	return smtp_data_hold(data, line_start, 0, ret);
}

/* -- BDAT -------------------------------------------------------------------------------------- */

/* The chunk has been scanned as far as it has come. `edge`: its last byte is a CR. */
static enum weir_scan smtp_data_end_of_view(
        struct smtp_data *data, size_t size, bool edge, struct weir_cut *ret)
{
	if (size == data->left) {
		data->cr = edge;
		data->left = 0;
		return smtp_data_cut(data, WEIR_SMTP_CUT_END, size, edge, ret);
	}
	ret->hold = edge;
	data->left -= size - ret->hold;
	return WEIR_SCAN_MORE;
}

/* A chunk may end within a line end. Returns the number of bytes that complete it. */
static size_t smtp_data_go_on_after_cr(struct smtp_data *data, const char *at)
{
	if (!data->cr)
		return 0;
	data->cr = false;
	data->line_end = *at == '\n' ? SMTP_LINE_END_CR : SMTP_LINE_END_CRLF;
	data->bare |= *at != '\n';
	return *at == '\n';
}

static enum weir_scan smtp_data_scan_chunk(
        struct smtp_data *data, struct weir_span span, struct weir_cut *ret)
{
	size_t size = span.size < data->left ? span.size : (size_t)data->left;
	const char *at = span.data, *end = span.data + size;
	if (size == 0)
		return WEIR_SCAN_MORE;
	if (data->binary)
		return smtp_data_end_of_view(data, size, false, ret);
	at += smtp_data_go_on_after_cr(data, at);
	while (at < end) {
		enum find found = smtp_data_find_line_end(at, end, &at);
		if (found == FIND_NONE)
			break;
		if (found == FIND_EDGE)
			return smtp_data_end_of_view(data, size, true, ret);
		if (found == FIND_LINE)
			continue;
		data->bare = true;
		at++;
		if (data->normalise) {
			data->left -= (uint64_t)(at - span.data);
			return smtp_data_cut(
			        data, WEIR_SMTP_CUT_BARE, (size_t)(at - span.data), 1, ret);
		}
	}
	return smtp_data_end_of_view(data, size, false, ret);
}

/* -- the terminator ---------------------------------------------------------------------------- */

static enum weir_scan smtp_data_scan(struct weir_terminator *terminator, struct weir_span span,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct smtp_data *data = (struct smtp_data *)terminator->context;
	(void)seen, (void)before;
	if (data->chunk)
		return smtp_data_scan_chunk(data, span, ret);
	return smtp_data_scan_lines(data, span, ret);
}

void smtp_data_init(struct smtp_data *data, bool chunk, bool binary, bool normalise)
{
	*data = (struct smtp_data){
	        .chunk = chunk,
	        .binary = binary,
	        .normalise = normalise,
	        .line_start = true,
	};
}

struct weir_terminator smtp_data_terminator(struct smtp_data *data)
{
	static const struct weir_terminator_type type = {"smtp-data", smtp_data_scan};
	return (struct weir_terminator){.type = &type, .context = data};
}
