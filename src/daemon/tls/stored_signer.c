/* The rows are in one block behind the struct; nothing but `error` changes. */
#include "stored_signer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "key_client.h"

struct stored_signer {
	struct key_client *client;
	atomic_int error;
	size_t count;
	struct stored_signer_row {
		struct weir_span name, key;
	} rows[];
};

static struct weir_span stored_signer_copy(char **to, struct weir_span bytes)
{
	struct weir_span copy = weir_span(*to, bytes.size);
	if (bytes.size)
		memcpy(*to, bytes.data, bytes.size);
	*to += bytes.size;
	return copy;
}

int stored_signer_create(struct key_client *client, size_t count, const char *const *names,
        const struct weir_span *keys, struct stored_signer **ret)
{
	struct stored_signer *signer;
	size_t head = sizeof *signer + count * sizeof *signer->rows, size = head;
	for (size_t i = 0; i < count; i++)
		size += strlen(names[i]) + keys[i].size;
	signer = calloc(1, size);
	if (!signer)
		return -ENOMEM;
	char *at = (char *)signer + head;
	signer->client = key_client_hold(client);
	signer->count = count;
	for (size_t i = 0; i < count; i++) {
		signer->rows[i].name = stored_signer_copy(&at, weir_span_of(names[i]));
		signer->rows[i].key = stored_signer_copy(&at, keys[i]);
	}
	*ret = signer;
	return 0;
}

int stored_signer_sign(void *context, const struct weir_tls_signing *signing,
        unsigned char *signature, size_t room, size_t *ret_size)
{
	struct stored_signer *signer = context;
	if (signing->certificate >= signer->count)
		return -EINVAL;
	const struct stored_signer_row *row = &signer->rows[signing->certificate];
	int error = key_client_sign_stored(
	        signer->client, row->name, row->key, signing, signature, room, ret_size);
	if (error < 0)
		atomic_store(&signer->error, error);
	return error;
}

void stored_signer_release(void *context)
{
	struct stored_signer *signer = context;
	if (!signer)
		return;
	key_client_release(signer->client);
	free(signer);
}

int stored_signer_error(const struct stored_signer *signer)
{
	return signer ? atomic_load(&signer->error) : 0;
}
