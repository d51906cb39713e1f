/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677): computations and parsing for both sides, with OpenSSL's
 * primitives; then the server's side. Intermediate secrets are erased. client.c has the client's.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/sasl.h>

#include "sasl_exchange.h"

int scram_salt_password(
        struct weir_span password, const struct weir_scram *salted, unsigned char ret[SCRAM_KEY])
{
	if (password.size > INT_MAX)
		return -ENOMEM;
	/* A NULL password means "none" to OpenSSL. */
	const char *data = password.size ? password.data : "";
	int good = PKCS5_PBKDF2_HMAC(data, (int)password.size, salted->salt, (int)salted->salt_size,
	        (int)salted->iterations, EVP_sha256(), SCRAM_KEY, ret);
	return good == 1 ? 0 : -ENOMEM;
}

int scram_hmac(
        const unsigned char key[SCRAM_KEY], struct weir_span text, unsigned char ret[SCRAM_KEY])
{
	return HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.data, text.size, ret,
	               NULL)
	               ? 0
	               : -ENOMEM;
}

static int scram_hash(const unsigned char bytes[SCRAM_KEY], unsigned char ret[SCRAM_KEY])
{
	return EVP_Digest(bytes, SCRAM_KEY, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int scram_derive(const unsigned char salted[SCRAM_KEY], struct weir_scram *scram,
        unsigned char ret_client_key[SCRAM_KEY])
{
	int error = scram_hmac(salted, WEIR_SPAN("Client Key"), ret_client_key);
	if (error == 0)
		error = scram_hash(ret_client_key, scram->stored_key);
	if (error == 0)
		error = scram_hmac(salted, WEIR_SPAN("Server Key"), scram->server_key);
	return error;
}

int weir_scram_make(struct weir_span password, struct weir_scram *ret)
{
	enum {
		SALT = 16
	};
	struct weir_scram scram = {.iterations = WEIR_SCRAM_ITERATIONS, .salt_size = SALT};
	unsigned char salted[SCRAM_KEY], client_key[SCRAM_KEY];
	if (getrandom(scram.salt, SALT, 0) != SALT)
		return -EIO;
	int error = scram_salt_password(password, &scram, salted);
	if (error == 0)
		error = scram_derive(salted, &scram, client_key);
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client_key, sizeof client_key);
	if (error == 0)
		*ret = scram;
	return error;
}

bool scram_equal(const unsigned char a[SCRAM_KEY], const unsigned char b[SCRAM_KEY])
{
	return CRYPTO_memcmp(a, b, SCRAM_KEY) == 0;
}

int scram_nonce(char ret[SCRAM_NONCE_OWN])
{
	unsigned char bytes[WEIR_BASE64_DECODED(SCRAM_NONCE_OWN)];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return -EIO;
	weir_base64_encode(weir_span(bytes, sizeof bytes), ret);
	return 0;
}

bool scram_attribute(struct weir_span *rest, char name, struct weir_span *ret)
{
	if (rest->size < 2 || rest->data[0] != name || rest->data[1] != '=')
		return false;
	weir_span_cut(rest, ',', ret);
	*ret = weir_span_skip(*ret, 2);
	return true;
}

bool scram_is_nonce(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '!' || text.data[i] > '~' || text.data[i] == ',')
			return false;
	return text.size;
}

bool scram_key(struct weir_span text, unsigned char ret[SCRAM_KEY])
{
	char bytes[SCRAM_KEY];
	size_t size;
	if (weir_base64_decode(text, bytes, sizeof bytes, &size) < 0 || size != SCRAM_KEY)
		return false;
	memcpy(ret, bytes, SCRAM_KEY);
	return true;
}

/* -- the server's side ------------------------------------------------------------------------- */

/*
 *   n,,n=alice,r=C ──▶ r=CS,s=salt,i=65536 ──▶ c=biws,r=CS,p=proof ──▶ v=signature ──▶ (empty)
 *
 * Invariant: until the end, an unknown name leads to the same computations and answers as a known
 * one. Its salt is a hash of the name with a key from the first user of the file, so that the salt
 * is constant as long as the password of that user. Channel binding is not offered: `y` means the
 * same as `n`, and `p=` is refused.
 */

enum {
	MESSAGES_MAX = 3 * SASL_BYTES_MAX /* of both sides, which are signed */
};

enum scram_stage {
	FIRST,
	FINAL,
	END,
};

struct scram_server {
	struct weir_scram secret;
	bool known;
	int error;
	struct weir_buffer header;  /* must be repeated in c= */
	struct weir_buffer message; /* AuthMessage, as far as it is known */
	struct weir_buffer nonce;   /* both halves */
	unsigned char signature[SCRAM_KEY];
};

void sasl_scram_free(struct scram_server *scram)
{
	if (!scram)
		return;
	weir_buffer_finish(&scram->header);
	weir_buffer_finish(&scram->message);
	weir_buffer_finish(&scram->nonce);
	explicit_bzero(scram, sizeof *scram);
	free(scram);
}

/* -- the first message ------------------------------------------------------------------------- */

struct first {
	struct weir_span header; /* n,a=…, with the comma */
	struct weir_span bare;
	struct weir_span identity;
	struct weir_span name; /* still encoded */
	struct weir_span nonce;
};

static bool scram_server_parse_first(struct weir_span bytes, struct first *ret)
{
	struct weir_span rest = bytes, flag;
	*ret = (struct first){0};
	if (!weir_span_cut(&rest, ',', &flag) ||
	        !(weir_span_equal(flag, WEIR_SPAN("n")) || weir_span_equal(flag, WEIR_SPAN("y"))))
		return false;
	if (!scram_attribute(&rest, 'a', &ret->identity)) {
		if (!rest.size || rest.data[0] != ',')
			return false;
		rest = weir_span_skip(rest, 1);
	}
	ret->bare = rest;
	ret->header = weir_span(bytes.data, bytes.size - rest.size);
	return scram_attribute(&rest, 'n', &ret->name) && ret->name.size &&
	       scram_attribute(&rest, 'r', &ret->nonce) && scram_is_nonce(ret->nonce) &&
	       ret->nonce.size <= WEIR_SASL_NONCE_MAX - SCRAM_NONCE_OWN;
}

/* Decodes `=2C` to a comma and `=3D` to an equals sign; any other equals sign is an error. */
static bool scram_server_decode_name(struct weir_span coded, char *to, size_t *ret_size)
{
	size_t size = 0;
	while (coded.size) {
		size_t skip = 1;
		char c = coded.data[0];
		if (c == '=') {
			if (weir_span_starts(coded, WEIR_SPAN("=2C")))
				c = ',';
			else if (!weir_span_starts(coded, WEIR_SPAN("=3D")))
				return false;
			skip = 3;
		}
		to[size++] = c;
		coded = weir_span_skip(coded, skip);
	}
	*ret_size = size;
	return true;
}

/* Makes a random secret, with a salt and a cost like those of the users. */
static int scram_server_make_fake(
        const struct weir_users *users, struct weir_span name, struct weir_scram *ret)
{
	struct weir_scram model;
	unsigned char salt[2][SCRAM_KEY];
	if (!weir_users_first_scram(users, &model))
		return -EOPNOTSUPP;
	int error = scram_hmac(model.server_key, name, salt[0]);
	if (error == 0)
		error = scram_hash(salt[0], salt[1]);
	if (error == 0)
		error = scram_hmac(salt[1], WEIR_SPAN("fake"), model.stored_key);
	memcpy(model.salt, salt, model.salt_size);
	*ret = model;
	return error;
}

static int scram_server_find_secret(struct weir_sasl *sasl, const struct first *first)
{
	struct scram_server *scram = sasl->scram;
	char name[SASL_BYTES_MAX], identity[SASL_BYTES_MAX];
	size_t name_size, identity_size;
	if (!scram_server_decode_name(first->name, name, &name_size) ||
	        !scram_server_decode_name(first->identity, identity, &identity_size))
		return WEIR_E_SYNTAX;
	struct weir_span user = weir_span(name, name_size);
	int error = scram_server_make_fake(sasl->options.users, user, &scram->secret);
	if (error < 0)
		return error;
	scram->known = sasl_set_user(sasl, user) &&
	               weir_users_scram(sasl->options.users, user, &scram->secret);
	if (identity_size && !weir_span_equal(weir_span(identity, identity_size), user))
		scram->known = false;
	return 0;
}

/* Composes the nonce and the first message of the server. */
static int scram_server_compose_first(struct scram_server *scram, const struct first *first)
{
	char own[SCRAM_NONCE_OWN], salt[WEIR_BASE64_ENCODED(WEIR_SCRAM_SALT_MAX)];
	struct weir_span bytes = weir_span(scram->secret.salt, scram->secret.salt_size);
	size_t salt_size = weir_base64_encode(bytes, salt);
	int error = scram_nonce(own);
	if (error < 0)
		return error;
	error = weir_buffer_format(&scram->nonce, WEIR_SASL_NONCE_MAX, "%.*s%.*s",
	        (int)first->nonce.size, first->nonce.data, SCRAM_NONCE_OWN, own);
	if (error == 0)
		error = weir_buffer_append(
		        &scram->header, first->header.data, first->header.size, SASL_BYTES_MAX);
	if (error == 0)
		error = weir_buffer_append(
		        &scram->message, first->bare.data, first->bare.size, MESSAGES_MAX);
	if (error < 0)
		return error;
	return weir_buffer_format(&scram->message, MESSAGES_MAX, ",r=%.*s,s=%.*s,i=%u",
	        (int)scram->nonce.size, scram->nonce.data, (int)salt_size, salt,
	        (unsigned)scram->secret.iterations);
}

static void scram_server_read_first(struct weir_sasl *sasl, struct weir_span bytes)
{
	struct first first;
	if (!scram_server_parse_first(bytes, &first)) {
		sasl_finish(sasl, WEIR_E_SYNTAX);
		return;
	}
	sasl->scram = calloc(1, sizeof *sasl->scram);
	int error = sasl->scram ? scram_server_find_secret(sasl, &first) : -ENOMEM;
	if (error == 0)
		error = scram_server_compose_first(sasl->scram, &first);
	if (error < 0) {
		sasl_finish(sasl, error);
		return;
	}
	sasl->stage = FINAL;
	sasl_challenge(
	        sasl, weir_span_skip(weir_buffer_span(&sasl->scram->message), first.bare.size + 1));
}

/* -- the final message ------------------------------------------------------------------------- */

struct final {
	struct weir_span without_proof;
	struct weir_span binding;
	struct weir_span nonce;
	unsigned char proof[SCRAM_KEY];
};

static bool scram_server_parse_final(struct weir_span bytes, struct final *ret)
{
	struct weir_span rest = bytes, proof;
	if (!scram_attribute(&rest, 'c', &ret->binding) ||
	        !scram_attribute(&rest, 'r', &ret->nonce))
		return false;
	/* Extensions are ignored; the proof is last. */
	while (!scram_attribute(&rest, 'p', &proof)) {
		struct weir_span extension;
		if (!weir_span_cut(&rest, ',', &extension))
			return false;
	}
	if (rest.size || !scram_key(proof, ret->proof))
		return false;
	ret->without_proof = weir_span(bytes.data, (size_t)(proof.data - bytes.data) - 3);
	return true;
}

/*
 * Checks the client's proof, and makes the signature. Returns 0 if the client knows the password.
 */
static int scram_server_judge(struct scram_server *scram, const struct final *final)
{
	char header[SASL_BYTES_MAX];
	size_t size;
	if (weir_base64_decode(final->binding, header, sizeof header, &size) < 0)
		return WEIR_E_SYNTAX;
	bool good = weir_span_equal(weir_span(header, size), weir_buffer_span(&scram->header));
	good &= weir_span_equal(final->nonce, weir_buffer_span(&scram->nonce));
	int error = weir_buffer_format(&scram->message, MESSAGES_MAX, ",%.*s",
	        (int) final->without_proof.size, final->without_proof.data);
	struct weir_span message = weir_buffer_span(&scram->message);
	unsigned char key[SCRAM_KEY] = {0}, hash[SCRAM_KEY];
	if (error == 0)
		error = scram_hmac(scram->secret.stored_key, message, key);
	for (int i = 0; i < SCRAM_KEY; i++)
		key[i] ^= final->proof[i];
	if (error == 0)
		error = scram_hash(key, hash);
	explicit_bzero(key, sizeof key);
	if (error == 0)
		error = scram_hmac(scram->secret.server_key, message, scram->signature);
	if (error < 0)
		return error;
	good &= scram_equal(hash, scram->secret.stored_key);
	return (good & scram->known) ? 0 : -EACCES;
}

static void scram_server_answer_final(struct weir_sasl *sasl)
{
	char text[2 + WEIR_BASE64_ENCODED(SCRAM_KEY)] = "v=";
	if (sasl->scram->error) {
		sasl_finish(sasl, sasl->scram->error);
		return;
	}
	weir_base64_encode(weir_span(sasl->scram->signature, SCRAM_KEY), text + 2);
	sasl->stage = END;
	sasl_challenge(sasl, weir_span(text, sizeof text));
}

static void scram_server_on_time(struct weir_timer *timer)
{
	struct weir_login *login = WEIR_CONTAINER(timer, struct weir_login, timer);
	scram_server_answer_final(WEIR_CONTAINER(login, struct weir_sasl, login));
}

static void scram_server_read_final(struct weir_sasl *sasl, struct weir_span bytes)
{
	struct final final;
	sasl->scram->error = scram_server_parse_final(bytes, &final)
	                             ? scram_server_judge(sasl->scram, &final)
	                             : WEIR_E_SYNTAX;
	uint32_t delay_ms = sasl_delay(sasl->options.guard, &sasl->options.peer, sasl_user(sasl),
	        sasl->loop, sasl->scram->error);
	if (delay_ms)
		weir_timer_start(sasl->loop, &sasl->login.timer, delay_ms, scram_server_on_time);
	else
		scram_server_answer_final(sasl);
}

static void scram_server_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	if (!have)
		sasl_challenge(sasl, WEIR_SPAN(""));
	else if (sasl->stage == FIRST)
		scram_server_read_first(sasl, bytes);
	else if (sasl->stage == FINAL)
		scram_server_read_final(sasl, bytes);
	else
		sasl_finish(sasl, bytes.size ? WEIR_E_SYNTAX : 0);
}

const struct sasl_mechanism sasl_scram = {"SCRAM-SHA-256", false, scram_server_next};
