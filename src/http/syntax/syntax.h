/*
 * The tables of HTTP that all parsers share: the character classes of its grammars (RFC 9110 5.6,
 * RFC 3986, RFC 2046 5.1.1), the names of fields and methods, and the status codes.
 */
#ifndef WEIR_HTTP_SYNTAX_H
#define WEIR_HTTP_SYNTAX_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <weir/http_request.h>
#include <weir/span.h>

enum http_class {
	WEIR_HTTP_TCHAR = 1,  /* of a token */
	WEIR_HTTP_PCHAR = 2,  /* of a request-target: visible ASCII but '#' and '?' */
	WEIR_HTTP_HCHAR = 4,  /* of a registered name, '%' left out */
	WEIR_HTTP_XDIGIT = 8, /* hexadecimal digit */
	WEIR_HTTP_BCHAR = 16, /* of a MIME boundary, the space left out */
	WEIR_HTTP_VCHAR = 32, /* of a field value: tab, space, visible, obs-text */
	WEIR_HTTP_UCHAR = 64, /* unreserved in a URI */
};

extern const uint8_t http_classes[256];

static inline bool http_is(char c, enum http_class of)
{
	return http_classes[(uint8_t)c] & of;
}

/* Returns how many bytes at the front of `text` are of the class. */
static inline size_t http_run(struct weir_span text, enum http_class of)
{
	size_t size = 0;
	while (size < text.size && http_is(text.data[size], of))
		size++;
	return size;
}

/* Returns the size of the quoted-string at the front, with its quotes; 0 if none ends. */
size_t http_quoted(struct weir_span text);

/* Returns `text` without the spaces and tabs at its front. */
static inline struct weir_span http_skip_space(struct weir_span text)
{
	while (text.size && (*text.data == ' ' || *text.data == '\t'))
		text = weir_span_skip(text, 1);
	return text;
}

/* Returns the value of a hexadecimal digit. */
static inline unsigned http_hex(char xdigit)
{
	unsigned c = (uint8_t)xdigit;
	return (c & 15) + (c > '9' ? 9 : 0);
}

/* 0 if none of eight bytes is below `limit` (at most 128); no branch for each of them. */
static inline uint64_t http_any_below(uint64_t bytes, uint8_t limit)
{
	const uint64_t ones = ~(uint64_t)0 / 255;
	return (bytes - ones * limit) & ~bytes & ones * 128;
}

/*
 * Which of eight bytes, that were loaded by http_load8, is the first below `limit`; 8 if none is.
 */
static inline unsigned http_first_below(uint64_t bytes, uint8_t limit)
{
	/* Only what is above the lowest bit that is set can be wrong, by a borrow. */
	uint64_t below = http_any_below(le64toh(bytes), limit);
	return below ? (unsigned)__builtin_ctzll(below) / 8 : 8;
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is not of WEIR_HTTP_PCHAR. */
static inline unsigned http_not_pchar(__m128i bytes)
{
	/* Compared with a sign: bytes from 0x80 on are below the visible ones, too. */
	__m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8('!'));
	outside = _mm_or_si128(outside, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	outside = _mm_or_si128(outside, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
	outside = _mm_or_si128(outside, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('?')));
	return (unsigned)_mm_movemask_epi8(outside);
}

/* A bit for each of 16 bytes that is not of WEIR_HTTP_VCHAR. */
static inline unsigned http_not_vchar(__m128i bytes)
{
	__m128i space = _mm_set1_epi8(' ');
	__m128i outside = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')),
	        _mm_cmpeq_epi8(
	                _mm_cmpeq_epi8(_mm_max_epu8(bytes, space), bytes), _mm_setzero_si128()));
	outside = _mm_or_si128(outside, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	return (unsigned)_mm_movemask_epi8(outside);
}
#endif

static inline uint64_t http_load8(const char *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof word);
	return word;
}

/* Returns whether the list of tokens (RFC 9110 5.6.1) has this one, in any case. */
bool http_list_has(struct weir_span list, struct weir_span token);

/* Returns whether the name is one of the list, in any case. */
static inline bool http_name_is_one_of(
        struct weir_span name, const struct weir_span *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (name.size == list[i].size && weir_span_equal_nocase(name, list[i]))
			return true;
	return false;
}

/* -- names of fields and methods --------------------------------------------------------------- */

/*
 * Finds a well-known field. `name` must consist of tchars, in any case. Returns WEIR_HTTP_UNKNOWN
 * for other names.
 */
enum weir_http_known http_known_find(const char *name, size_t size);

/* Methods are case-sensitive (RFC 9110 9.1). */
enum weir_http_method http_method_find(const char *name, size_t size);
/* RFC 9110 9.2.1 and 9.2.2. An unknown method is neither. */
bool http_method_is_safe(enum weir_http_method method);
bool http_method_is_idempotent(enum weir_http_method method);

/* -- status codes ------------------------------------------------------------------------------ */

/* Returns the reason phrase (RFC 9110 15), which is static; it is empty for an unknown code. */
struct weir_span http_status_reason(int status);

#endif
