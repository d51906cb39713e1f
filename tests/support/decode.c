/* Decoders and models: obvious rather than fast. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "decode.h"
#include "drain.h"

static void append(struct weir_buffer *to, const void *data, size_t size)
{
	if (weir_buffer_append(to, data, size, SIZE_MAX / 2) < 0)
		abort();
}

bool decode_gzip(struct weir_span bytes, bool zlib_format, struct weir_buffer *to, bool *ret_whole)
{
	char chunk[16384];
	z_stream stream = {0};
	if (inflateInit2(&stream, zlib_format ? 15 : 15 + 16) != Z_OK)
		abort();
	stream.next_in = (Bytef *)bytes.data;
	stream.avail_in = (uInt)bytes.size;
	int result;
	do {
		stream.next_out = (Bytef *)chunk;
		stream.avail_out = sizeof chunk;
		result = inflate(&stream, Z_SYNC_FLUSH);
		append(to, chunk, sizeof chunk - stream.avail_out);
	} while (result == Z_OK && (stream.avail_in || !stream.avail_out));
	*ret_whole = result == Z_STREAM_END && !stream.avail_in;
	inflateEnd(&stream);
	return *ret_whole || result == Z_OK || result == Z_BUF_ERROR;
}

bool decode_zstd(struct weir_span bytes, struct weir_buffer *to, bool *ret_whole)
{
	char chunk[16384];
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = {bytes.data, bytes.size, 0};
	ZSTD_outBuffer out;
	size_t left = 1;
	if (!stream)
		abort();
	do {
		out = (ZSTD_outBuffer){chunk, sizeof chunk, 0};
		left = ZSTD_decompressStream(stream, &out, &in);
		if (!ZSTD_isError(left))
			append(to, chunk, out.pos);
	} while (!ZSTD_isError(left) && left && (in.pos < in.size || out.pos == sizeof chunk));
	*ret_whole = left == 0 && in.pos == in.size;
	ZSTD_freeDStream(stream);
	return !ZSTD_isError(left);
}

static bool at_text(struct weir_span bytes, size_t at, const char *text)
{
	size_t size = strlen(text);
	return bytes.size - at >= size && memcmp(bytes.data + at, text, size) == 0;
}

bool decode_chunked(struct weir_span bytes, struct weir_buffer *to, bool *ret_whole)
{
	size_t at = 0;
	*ret_whole = false;
	while (at < bytes.size) {
		size_t size = 0;
		int used = 0;
		char head[20] = {0};
		memcpy(head, bytes.data + at, bytes.size - at < 19 ? bytes.size - at : 19);
		if (sscanf(head, "%zx%n", &size, &used) != 1)
			return false;
		at += (size_t)used;
		if (!at_text(bytes, at, "\r\n"))
			return at + 1 >= bytes.size;
		at += 2;
		if (size == 0)
			break;
		if (bytes.size - at < size + 2) {
			append(to, bytes.data + at,
			        bytes.size - at < size ? bytes.size - at : size);
			return true;
		}
		append(to, bytes.data + at, size);
		at += size;
		if (!at_text(bytes, at, "\r\n"))
			return false;
		at += 2;
		if (at == bytes.size)
			return true;
	}
	/* Field lines up to an empty one, which must be the end. */
	while (at < bytes.size && !at_text(bytes, at, "\r\n")) {
		const char *end = memmem(bytes.data + at, bytes.size - at, "\r\n", 2);
		if (!end)
			return true;
		at = (size_t)(end - bytes.data) + 2;
	}
	*ret_whole = at + 2 == bytes.size;
	return at + 2 >= bytes.size;
}

void replace_all(struct weir_span bytes, struct weir_span from, struct weir_span to,
        struct weir_span before, struct weir_buffer *ret)
{
	struct weir_buffer whole = {0};
	append(&whole, before.data, before.size);
	append(&whole, bytes.data, bytes.size);
	for (size_t at = 0; at < whole.size;) {
		bool match = whole.size - at >= from.size &&
		             memcmp(whole.data + at, from.data, from.size) == 0;
		size_t gone = at < before.size ? before.size - at : 0; /* bytes of it not output */
		size_t end = at + (match ? from.size : 1);
		if (end > before.size) {
			struct weir_span with = match ? to : weir_span(whole.data + at, 1);
			if (gone < with.size)
				append(ret, with.data + gone, with.size - gone);
		}
		at = end;
	}
	weir_buffer_finish(&whole);
}

void to_crlf(struct weir_span bytes, struct weir_buffer *ret)
{
	for (size_t i = 0; i < bytes.size; i++) {
		if (bytes.data[i] == '\n' && (i == 0 || bytes.data[i - 1] != '\r'))
			append(ret, "\r", 1);
		append(ret, &bytes.data[i], 1);
	}
}

void fill_text(char *to, size_t size, unsigned seed)
{
	static const char *const words[] = {"\r\n.", "\n", "\r", ".", "\r\n", "the ", "river ",
	        "falls ", "over ", "aab", "a", "a low dam, ", "\r\r\n", "0"};
	struct dice dice = {.state = seed};
	size_t at = 0;
	while (at < size) {
		const char *word = words[dice_throw(&dice, 14)];
		size_t length = strlen(word);
		if (length > size - at)
			length = size - at;
		memcpy(to + at, word, length);
		at += length;
	}
}
