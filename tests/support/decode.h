/* Reference decoders. They are not written like the code that they check. */
#ifndef WEIR_TEST_DECODE_H
#define WEIR_TEST_DECODE_H

#include <weir/buffer.h>

/*
 * Appends the decoded bytes to `to`. Returns false if the input is not well formed. *ret_whole is
 * whether the input has its end, and nothing behind it.
 */
bool decode_gzip(struct weir_span bytes, bool zlib_format, struct weir_buffer *to, bool *ret_whole);
bool decode_zstd(struct weir_span bytes, struct weir_buffer *to, bool *ret_whole);
bool decode_chunked(struct weir_span bytes, struct weir_buffer *to, bool *ret_whole);

/* Search and replace, without any care for speed. `before` as for weir_produce_escape. */
void replace_all(struct weir_span bytes, struct weir_span from, struct weir_span to,
        struct weir_span before, struct weir_buffer *ret);

/* LF without CR to CRLF. */
void to_crlf(struct weir_span bytes, struct weir_buffer *ret);

/* Text with many beginnings of "\r\n." and the like, the same for the same seed. */
void fill_text(char *to, size_t size, unsigned seed);

#endif
