/*
 * The encoder of replies beside two decoders, ours and that of libnghttp2: connections of one loop
 * send random blocks, and each must be decoded as the fields that were meant. The fuzz target uses
 * this, too, so it does not use cmocka.
 */
#ifndef WEIR_TEST_ENCODE_MODEL_H
#define WEIR_TEST_ENCODE_MODEL_H

#include "../support/drain.h"
#include "h2_encode.h"
#include "hpack_model.h"

enum {
	ENCODE_CONNECTIONS = 2,
	ENCODE_SETS = 4,
	ENCODE_BLOCK_MAX = 65536,
};

struct encode_connection {
	struct h2_table table;
	struct hpack_pair client;
};

/* Lines that are encoded once, and the fields that they are. */
struct encode_set {
	struct weir_buffer lines, fields;
	struct http_encoded_lines *encoded;
};

struct encode_model {
	struct h2_intern intern;
	struct encode_connection connections[ENCODE_CONNECTIONS];
	struct encode_set sets[ENCODE_SETS];
	struct h2_encoded_date date;
	int64_t second;        /* of the date: 0 is the first one */
	struct encode_set own; /* of the next block alone */
	unsigned connection;   /* of the next block */
	unsigned set;          /* ENCODE_SETS: none */
	size_t size, size_max; /* of the block, and the bound for it */
	bool starved; /* allocations fail: the encoder may know fewer entries than it should */
	char block[ENCODE_BLOCK_MAX];
};

void encode_model_begin(struct encode_model *model);
void encode_model_end(struct encode_model *model);

/* Chooses the next block, after changes of table sizes, of the second, or of the loop's state. */
void encode_model_plan(struct encode_model *model, struct dice *dice);
/* Encodes it. Only this part may fail to allocate. */
void encode_model_encode(struct encode_model *model);
/* Decodes it. Returns NULL, or in what it differs from what was meant. */
const char *encode_model_check(struct encode_model *model);

#endif
