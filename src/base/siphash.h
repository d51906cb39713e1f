/*
 * SipHash (Aumasson, Bernstein: a fast keyed hash for short input), with c rounds a word and d at
 * the end: 1-3 for hash tables that hostile keys must not fill unevenly, 2-4 with 128 bits of
 * output where a collision would be a way in. Inline, so that c and d are constants.
 */
#ifndef WEIR_SIPHASH_H
#define WEIR_SIPHASH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct siphash_key {
	uint64_t k0, k1;
};

struct siphash {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void siphash_rounds(struct siphash *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		s->v0 += s->v1;
		s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
		s->v0 = siphash_rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
		s->v2 = siphash_rotate(s->v2, 32);
	}
}

static inline uint64_t siphash_word(const unsigned char *data)
{
	uint64_t word;
	memcpy(&word, data, sizeof word);
	return le64toh(word);
}

/* The last 0 to 7 bytes, and the length above them. Never reads outside of the data. */
static inline uint64_t siphash_last(const unsigned char *data, size_t left, size_t size)
{
	uint64_t word = (uint64_t)size << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)data[i] << (8 * i);
	return word;
}

static inline void siphash_absorb(struct siphash *s, const void *bytes, size_t size, unsigned c)
{
	const unsigned char *data = bytes;
	size_t left = size;
	for (;; data += 8, left -= 8) {
		uint64_t word = left >= 8 ? siphash_word(data) : siphash_last(data, left, size);
		s->v3 ^= word;
		siphash_rounds(s, c);
		s->v0 ^= word;
		if (left < 8)
			return;
	}
}

static inline struct siphash siphash_start(const struct siphash_key *key)
{
	return (struct siphash){key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d,
	        key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573};
}

/* SipHash-1-3. */
static inline uint64_t siphash_13(const struct siphash_key *key, const void *bytes, size_t size)
{
	struct siphash s = siphash_start(key);
	siphash_absorb(&s, bytes, size, 1);
	s.v2 ^= 0xff;
	siphash_rounds(&s, 3);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SipHash-2-4 with 64 bits of output. */
static inline uint64_t siphash_24_64(const struct siphash_key *key, const void *bytes, size_t size)
{
	struct siphash s = siphash_start(key);
	siphash_absorb(&s, bytes, size, 2);
	s.v2 ^= 0xff;
	siphash_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SipHash-2-4 with 128 bits of output. */
static inline void siphash_24(
        const struct siphash_key *key, const void *bytes, size_t size, uint64_t ret[2])
{
	struct siphash s = siphash_start(key);
	s.v1 ^= 0xee;
	siphash_absorb(&s, bytes, size, 2);
	s.v2 ^= 0xee;
	siphash_rounds(&s, 4);
	ret[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	siphash_rounds(&s, 4);
	ret[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
