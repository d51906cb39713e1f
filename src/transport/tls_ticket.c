/*
 * Session tickets (RFC 5077, RFC 8446 4.6.1): the session goes to the client, encrypted with a key
 * that all workers and all reloads share. A key gives out tickets for WEIR_TLS_TICKET_ROTATE_S; the
 * ones before it still take theirs, so that a ticket lives for one to two rotations more. With
 * stolen keys one can decrypt the sessions of that time: so they are only in memory, and erased.
 *
 * Servers of several machines derive their keys from secrets that they share. Each has the next key
 * before it comes into use. When no secret comes any more, a server makes keys of its own.
 *
 * A ticket carries a number of 16 bytes, drawn at the full handshake: connections resumed from one
 * handshake can be known by it (FTP binds its data channels to their control channel so).
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "tls_state.h"

enum {
	TICKET_KEYS = WEIR_TLS_TICKET_KEYS + 1 /* the next one, too */
};

struct ticket_key {
	unsigned char name[16];
	unsigned char cipher[32];
	unsigned char mac[32];
	int64_t made_s; /* of its first use, which may be to come; 0: there is no such key */
};

struct tickets {
	struct refcount references;
	EVP_CIPHER *cipher;
	pthread_mutex_t lock;                /* guards the keys */
	struct ticket_key keys[TICKET_KEYS]; /* the newest first */
};

static int64_t tls_ticket_now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec + 1; /* never 0 */
}

/* -- the keys ---------------------------------------------------------------------------------- */

struct tickets *tls_tickets_create(void)
{
	struct tickets *tickets = calloc(1, sizeof *tickets);
	if (!tickets)
		return NULL;
	tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!tickets->cipher) {
		free(tickets);
		return NULL;
	}
	refcount_init(&tickets->references);
	pthread_mutex_init(&tickets->lock, NULL);
	return tickets;
}

struct tickets *tls_tickets_hold(struct tickets *tickets)
{
	refcount_hold(&tickets->references);
	return tickets;
}

void tls_tickets_release(struct tickets *tickets)
{
	if (!tickets || !refcount_release(&tickets->references))
		return;
	EVP_CIPHER_free(tickets->cipher);
	pthread_mutex_destroy(&tickets->lock);
	OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
	free(tickets);
}

/* The index of the key that encrypts: the newest that is in use. TICKET_KEYS if there is none. */
static size_t tls_ticket_current(const struct tickets *tickets, int64_t now)
{
	size_t i = 0;
	while (i < TICKET_KEYS && (!tickets->keys[i].made_s || tickets->keys[i].made_s > now))
		i++;
	return i;
}

/* Makes a new key when the current one is old, and forgets those that are too old to be of use. */
static bool tls_ticket_rotate(struct tickets *tickets)
{
	struct ticket_key fresh;
	int64_t now = tls_ticket_now_s();
	int64_t useful_s = (int64_t)WEIR_TLS_TICKET_ROTATE_S * WEIR_TLS_TICKET_KEYS;
	size_t current = tls_ticket_current(tickets, now);
	if (current < TICKET_KEYS && now - tickets->keys[current].made_s < WEIR_TLS_TICKET_ROTATE_S)
		return true;
	if (RAND_bytes((unsigned char *)&fresh, offsetof(struct ticket_key, made_s)) != 1)
		return current < TICKET_KEYS;
	fresh.made_s = now;
	/* Before the current one; behind keys that are for later. */
	size_t at = 0;
	while (at < TICKET_KEYS - 1 && tickets->keys[at].made_s > now)
		at++;
	memmove(&tickets->keys[at + 1], &tickets->keys[at],
	        (TICKET_KEYS - 1 - at) * sizeof *tickets->keys);
	tickets->keys[at] = fresh;
	OPENSSL_cleanse(&fresh, sizeof fresh);
	for (size_t i = 0; i < TICKET_KEYS; i++)
		if (now - tickets->keys[i].made_s >= useful_s)
			OPENSSL_cleanse(&tickets->keys[i], sizeof tickets->keys[i]);
	return true;
}

/*
 * A copy of the current key, or of the one with this name: 0 (there is none), 1, or 2: an old one.
 */
static int tls_ticket_find_key(
        struct tickets *tickets, const unsigned char *name, struct ticket_key *ret)
{
	int found = 0;
	pthread_mutex_lock(&tickets->lock);
	bool usable = tls_ticket_rotate(tickets);
	size_t current = tls_ticket_current(tickets, tls_ticket_now_s());
	for (size_t i = name ? 0 : current; usable && i < TICKET_KEYS && !found; i++) {
		const struct ticket_key *key = &tickets->keys[i];
		if (!key->made_s || (name && memcmp(key->name, name, sizeof key->name) != 0))
			continue;
		*ret = *key;
		found = i <= current ? 1 : 2;
	}
	pthread_mutex_unlock(&tickets->lock);
	return found;
}

/* -- shared secrets ---------------------------------------------------------------------------- */

/* HMAC-SHA-256 of the secret over the label and the part, with a NUL behind each. */
static bool tls_ticket_derive(const struct weir_tls_ticket_secret *secret, const char *label,
        const char *part, unsigned char ret[32])
{
	char text[WEIR_TLS_TICKET_LABEL_MAX + 16];
	size_t size;
	int used = snprintf(text, sizeof text, "%s%c%s", label, 0, part);
	return used > 0 && (size_t)used < sizeof text &&
	       EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret->bytes, sizeof secret->bytes,
	               (const unsigned char *)text, (size_t)used + 1, ret, 32, &size) != NULL;
}

static bool tls_ticket_derive_key(
        const struct weir_tls_ticket_secret *secret, const char *label, struct ticket_key *ret)
{
	unsigned char name[32];
	bool good = tls_ticket_derive(secret, label, "name", name) &&
	            tls_ticket_derive(secret, label, "cipher", ret->cipher) &&
	            tls_ticket_derive(secret, label, "mac", ret->mac);
	memcpy(ret->name, name, sizeof ret->name);
	/* Never 0, however long ago. */
	ret->made_s = tls_ticket_now_s() - secret->age_s;
	ret->made_s = ret->made_s == 0 ? -1 : ret->made_s;
	return good;
}

int weir_tls_set_ticket_secrets(struct weir_tls *tls, const char *label,
        const struct weir_tls_ticket_secret *secrets, size_t count)
{
	struct ticket_key keys[TICKET_KEYS] = {0};
	bool good = tls->tickets != NULL;
	for (size_t i = 0; i < count && i < TICKET_KEYS && good; i++)
		good = tls_ticket_derive_key(&secrets[i], label, &keys[i]);
	if (good) {
		pthread_mutex_lock(&tls->tickets->lock);
		memcpy(tls->tickets->keys, keys, sizeof keys);
		pthread_mutex_unlock(&tls->tickets->lock);
	}
	OPENSSL_cleanse(keys, sizeof keys);
	return good ? 0 : tls->tickets ? -ENOMEM : -EINVAL;
}

/* -- callbacks of OpenSSL ---------------------------------------------------------------------- */

static bool tls_ticket_set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
	        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	        OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 1: go on; 2: go on, and give out a new ticket; 0: no such key; -1: an error. */
static int tls_ticket_on_key(SSL *ssl, unsigned char *name, unsigned char *iv,
        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypting)
{
	struct tickets *tickets = tls_of(ssl)->rules->tickets;
	struct ticket_key key;
	int found = tls_ticket_find_key(tickets, encrypting ? NULL : name, &key);
	if (!found)
		return encrypting ? -1 : 0;
	if (encrypting) {
		memcpy(name, key.name, sizeof key.name);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) != 1)
			found = -1;
	}
	if (found > 0 && !(EVP_CipherInit_ex(cipher, tickets->cipher, NULL, key.cipher, iv,
	                           encrypting) == 1 &&
	                         tls_ticket_set_mac(mac, &key)))
		found = -1;
	OPENSSL_cleanse(&key, sizeof key);
	return found;
}

/* The number of the handshake goes along. */
static int tls_ticket_on_made(SSL *ssl, void *unused)
{
	struct tls *tls = tls_of(ssl);
	static const unsigned char none[TLS_SESSION_ID_SIZE];
	(void)unused;
	if (memcmp(tls->session, none, sizeof none) == 0 &&
	        RAND_bytes(tls->session, sizeof tls->session) != 1)
		return 0;
	return SSL_SESSION_set1_ticket_appdata(
	        SSL_get_session(ssl), tls->session, sizeof tls->session);
}

/*
 * Up to TLS 1.2 a session is for the name that it began with (RFC 6066 3), which OpenSSL leaves to
 * us. The hello is still at hand here, as its list of one name: five bytes, and the name.
 */
static bool tls_ticket_is_for_name(SSL *ssl, const SSL_SESSION *session)
{
	const unsigned char *names;
	size_t size;
	const char *had = SSL_SESSION_get0_hostname(session);
	struct weir_span asked = WEIR_SPAN("");
	if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
		return true;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &names, &size) == 1 && size > 5)
		asked = weir_span((const char *)names + 5, size - 5);
	return weir_span_equal_nocase(asked, weir_span_of(had ? had : ""));
}

static SSL_TICKET_RETURN tls_ticket_on_read(SSL *ssl, SSL_SESSION *session,
        const unsigned char *name, size_t name_size, SSL_TICKET_STATUS status, void *unused)
{
	struct tls *tls = tls_of(ssl);
	void *number;
	size_t size;
	(void)name, (void)name_size, (void)unused;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (!tls_ticket_is_for_name(ssl, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (SSL_SESSION_get0_ticket_appdata(session, &number, &size) == 1 &&
	        size == sizeof tls->session)
		memcpy(tls->session, number, size);
	/* In TLS 1.3 clients use a ticket once (RFC 8446 C.4), and need another. */
	return status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) >= TLS1_3_VERSION
	               ? SSL_TICKET_RETURN_USE_RENEW
	               : SSL_TICKET_RETURN_USE;
}

bool tls_tickets_use(SSL_CTX *context)
{
	SSL_CTX_set_timeout(context, (long)WEIR_TLS_TICKET_ROTATE_S * (WEIR_TLS_TICKET_KEYS - 1));
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, tls_ticket_on_key) == 1 &&
	       SSL_CTX_set_session_ticket_cb(
	               context, tls_ticket_on_made, tls_ticket_on_read, NULL) == 1;
}
