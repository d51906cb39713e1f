/*
 * Small helpers that every layer needs: values, texts, files, random bits. The macros evaluate each
 * argument once.
 */
#ifndef WEIR_BASE_HELPER_H
#define WEIR_BASE_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <weir/buffer.h>
#include <weir/span.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* -- values and texts -------------------------------------------------------------------------- */

/* The smaller and the larger of two values, in the type that the usual conversions give them. */
#define min_of(a, b)                                                                               \
	__extension__({                                                                            \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define max_of(a, b)                                                                               \
	__extension__({                                                                            \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

static inline size_t clamp_size(size_t value, size_t low, size_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* The value of an option in which 0 (or NULL) stands for its default. */
#define or_default(value, fallback) (__extension__((value) ?: (fallback)))

/*
 * Copies a string, or a span with a NUL behind it, into `size` bytes. Bytes that do not fit are cut
 * off; the copy ends with a NUL in any case. Returns false if something was cut off.
 */
static inline bool text_copy_span(char *to, size_t size, struct weir_span from)
{
	size_t fits = from.size < size ? from.size : size - 1;
	if (fits)
		memcpy(to, from.data, fits);
	to[fits] = 0;
	return fits == from.size;
}

static inline bool text_copy(char *to, size_t size, const char *from)
{
	return text_copy_span(to, size, weir_span_of(from));
}

/* A control character (CTL, RFC 5234 B.1). */
static inline bool text_is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static inline bool text_has_control(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text_is_control(text.data[i]))
			return true;
	return false;
}

/*
 * Copies a text of somebody else that people are shown, in a line or on a terminal: whatever is not
 * printable ASCII becomes '?'. Bytes that do not fit are cut off.
 */
static inline void text_copy_plain(char *to, size_t size, struct weir_span from)
{
	text_copy_span(to, size, from);
	for (; from.size && size > 1; to++, from.size--, size--)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

/* Prints a text of somebody else, which may be UTF-8: a control character becomes '?'. */
static inline void text_print(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		putchar(text_is_control(text.data[i]) ? '?' : text.data[i]);
}

/* Returns the size of the UTF-8 sequence at the front (RFC 3629 4); 0 if there is none. */
size_t text_utf8_size(struct weir_span text);

/* The decimal digits of a number, as %llu writes them; no NUL. Returns where they end. */
#define TEXT_DECIMAL_SIZE 20
static inline char *text_put_decimal(char to[TEXT_DECIMAL_SIZE], uint64_t number)
{
	/* All of the room is written: a size that is known costs no call. */
	char digits[2 * TEXT_DECIMAL_SIZE] = {0};
	unsigned n = TEXT_DECIMAL_SIZE;
	do {
		digits[--n] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	memcpy(to, digits + n, TEXT_DECIMAL_SIZE);
	return to + TEXT_DECIMAL_SIZE - n;
}

/* The 16 hexadecimal digits of a number, as %016llx writes them; no NUL. */
#define TEXT_HEX_SIZE 16
static inline void text_put_hex(char to[TEXT_HEX_SIZE], uint64_t number)
{
	for (int i = TEXT_HEX_SIZE - 1; i >= 0; i--, number >>= 4)
		to[i] = "0123456789abcdef"[number & 15];
}

/* Whether both are the same text, or both NULL. */
static inline bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Compares secrets of one size, in a time that does not depend on where they differ. */
static inline bool secret_equal(const char *one, const char *other, size_t size)
{
	unsigned char difference = 0;
	for (size_t i = 0; i < size; i++)
		difference |= (unsigned char)(one[i] ^ other[i]);
	return difference == 0;
}

/*
 * Returns the first place of `wanted`, which has a byte or more, or NULL. Quick where the first
 * byte of `wanted` is rare, as a line end in a text is; and never slower than memmem by more than a
 * factor.
 */
const char *bytes_find(struct weir_span bytes, struct weir_span wanted);

/* Appends all spans or, after a failure, none. Returns as weir_buffer_reserve. */
int buffer_append_spans(
        struct weir_buffer *buffer, const struct weir_span *spans, size_t count, size_t limit);

struct weir_address;

/*
 * Reads an address of this family, AF_INET or AF_INET6, without brackets and a zone. Returns 0 or
 * WEIR_E_SYNTAX, with *ret untouched.
 */
int address_parse_host(struct weir_span host, int family, uint16_t port, struct weir_address *ret);

/* Erases the bytes, and frees them. */
static inline void buffer_erase(struct weir_buffer *buffer)
{
	if (buffer->data)
		explicit_bzero(buffer->data, buffer->capacity);
	weir_buffer_finish(buffer);
}

/* -- memory ------------------------------------------------------------------------------------ */

/*
 * Asks the kernel for huge pages within an allocation of `size` bytes, or NULL: writing to it then
 * costs fewer page faults, and searching it fewer TLB misses. Changes nothing for less than
 * HUGE_PAGES_MIN bytes, or where the kernel has no huge pages.
 */
enum {
	HUGE_PAGES_MIN = 4 << 20
};
void memory_prefer_huge_pages(void *data, size_t size);

/* memset of a size that the compiler does not see: for others gcc makes a slow `rep stos`. */
static inline void memory_clear(void *memory, size_t size)
{
	__asm__("" : "+r"(size));
	memset(memory, 0, size);
}

/*
 * AddressSanitizer reports each use of bytes that are poisoned: of those that will be used again,
 * but belong to nobody now. Without it these do nothing.
 */
static inline void memory_poison(void *data, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
	ASAN_POISON_MEMORY_REGION(data, size);
#else
	(void)data, (void)size;
#endif
}

static inline void memory_unpoison(void *data, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
	ASAN_UNPOISON_MEMORY_REGION(data, size);
#else
	(void)data, (void)size;
#endif
}

/* -- files ------------------------------------------------------------------------------------- */

/*
 * Reads the whole file `path`, relative to `directory` (AT_FDCWD: the working directory); blocks.
 * `flags` are added to O_RDONLY | O_CLOEXEC | O_NOCTTY. Returns 0 and fills the empty `*ret`;
 * WEIR_E_LIMIT if the file has more than `limit` bytes; -ENOMEM, or an errno of openat or read. On
 * failure `*ret` is empty. For a file that is open already there is weir_buffer_read.
 */
int file_read_whole(
        int directory, const char *path, int flags, size_t limit, struct weir_buffer *ret);

/* Reads the whole file `path`, which weir_open_file opens. Returns as file_read_whole. */
int file_read_path(const char *path, size_t limit, struct weir_buffer *ret);

/* Opens a stream to read the file, by weir_open_file. Returns 0 or a negative errno. */
int file_open_stream(const char *path, FILE **ret);

/*
 * Reads the first line of the file, up to `size` - 1 bytes and without its end, by weir_open_file.
 * Returns 0 or a negative errno; the text is empty then, and if the file is.
 */
int file_read_line(const char *path, char *text, size_t size);

/*
 * Makes a file in memory, with these flags of memfd_create, and a stream to write it. Returns the
 * descriptor or a negative errno. memory_file_finish closes the stream: it returns the descriptor,
 * or closes it and returns -ENOSPC if not all could be written.
 */
int memory_file_create(const char *name, unsigned flags, FILE **ret);
int memory_file_finish(int fd, FILE *stream);

/*
 * Reads all `size` bytes of a file from `offset` on. Returns 0, -EIO if the file ends before that,
 * or another errno of pread.
 */
int extent_read(int fd, char *to, size_t size, off_t offset);

/* -- random bits ------------------------------------------------------------------------------- */

/*
 * Random bits that nobody can guess, taken from the kernel a block at a time: the IDs of questions
 * and the case of their letters need a few bytes each. Bytes that were taken are erased. All zero
 * at first.
 */
struct random_pool {
	uint8_t bytes[256];
	size_t left; /* the last of them, not taken yet */
};

/* Returns 0 or a negative errno of getrandom; size ≤ sizeof bytes. */
int random_pool_take(struct random_pool *random, void *to, size_t size);

#endif
