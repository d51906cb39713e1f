/*
 * The directory of automatic certificates.
 *
 *   lock                               held by the process that obtains certificates
 *   accounts/AUTHORITY/key.pem         the account's key, and key-next.pem while it changes
 *   accounts/AUTHORITY/account         the URL of the account
 *   certificates/NAME/current          the number of the version in use
 *   certificates/NAME/VERSION/         chain.pem and key.pem, which never change
 *   state/NAME                         what comes next for the name; see acme_state.h
 *   challenges/…                       proofs (acme_proofs.h)
 *   orders/NAME                        an order that may have a certificate (acme_saved_order.h)
 *   serials/ZONE                       see acme_dns.h
 *
 * Each file appears whole, or not at all: it is written beside its name, synced, and renamed. So a
 * chain and its key always belong together.
 *
 * The functions block on the disk. They are called for each step of an order, which is rare.
 */
#ifndef DAEMON_ACME_STORE_H
#define DAEMON_ACME_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/span.h>

enum {
	ACME_PATH_SIZE = 512,       /* of a path in the directory */
	ACME_FILE_MAX = 128 * 1024, /* bytes of a file that is read */
	ACME_VERSIONS_KEPT = 2,     /* of a certificate: the one in use, and the one before */
	ACME_VERSION_SIZE = 40,
};

#define ACME_CURRENT "current"

/* The folders in the directory; a server process may read the last three. */
#define ACME_ACCOUNTS "accounts"
#define ACME_ORDERS "orders"
#define ACME_CERTIFICATES "certificates"
#define ACME_STATES "state"
#define ACME_CHALLENGES "challenges"
#define ACME_SERIALS "serials"

struct acme_store;

/* Hears of each change that this process makes, once it is on the disk. */
struct acme_store_observer {
	/* `bytes.data` is NULL if the file was removed. */
	void (*changed)(void *context, const char *path, struct weir_span bytes);
	void (*installed)(
	        void *context, const char *name, struct weir_span chain, struct weir_span key);
	void *context;
};

/* Opens the directory, and makes its folders. Returns 0 or a negative errno. */
int acme_store_open(const char *path, struct acme_store **ret);

/* Releases the lock. NULL is allowed. */
void acme_store_close(struct acme_store *store);

/* Takes the lock. Returns 0; -EWOULDBLOCK if another process has it; or another errno. */
int acme_store_lock(struct acme_store *store);

/* Has the observer, which must outlive the store, hear of changes from now on; NULL: nobody. */
void acme_store_observe(struct acme_store *store, const struct acme_store_observer *observer);

/* The folder or file of a name in lower case: "*.example.org" is "_wildcard.example.org". */
void acme_store_file_of(const char *name, char *ret, size_t size);

/* Reads a file of the store into an empty buffer. Returns 0 or a negative errno. */
int acme_store_read(const struct acme_store *store, const char *path, struct weir_buffer *ret);

/* Makes the folder that the path names, and those above. Returns 0 or a negative errno. */
int acme_store_make_folder(const struct acme_store *store, const char *path);

/* Writes a file, for its owner alone. Returns 0 or a negative errno. */
int acme_store_write(const struct acme_store *store, const char *path, struct weir_span bytes);

/* Renames a file, and syncs. Returns 0 or a negative errno. */
int acme_store_rename(const struct acme_store *store, const char *from, const char *to);

/* When a file was written, in nanoseconds since 1970; 0 if it is missing. */
int64_t acme_store_written_ns(const struct acme_store *store, const char *path);

/* Sets that time, of a file that was written elsewhere. */
void acme_store_set_written(const struct acme_store *store, const char *path, int64_t written_ns);

/* Removes a file; it may be missing. */
void acme_store_remove(const struct acme_store *store, const char *path);

/* Calls `visit` for each entry of a folder. Returns 0 or a negative errno. */
int acme_store_each(const struct acme_store *store, const char *folder,
        void (*visit)(void *context, int directory, const char *name), void *context);

/* Removes all files of a folder: what an earlier process has left. */
void acme_store_clear(const struct acme_store *store, const char *folder);

/*
 * Reads the chain and the key that are in use for the name, into empty buffers that the caller
 * finishes in any case. Returns 0 or a negative errno.
 */
int acme_store_read_installed(const struct acme_store *store, const char *name,
        struct weir_buffer *ret_chain, struct weir_buffer *ret_key);

/* When the version in use was installed, as acme_store_written_ns. */
int64_t acme_store_installed_ns(const struct acme_store *store, const char *name);

/* Whether the text is the number of a version, so that it can be a part of a path. */
bool acme_version_is_good(const char *text);

/*
 * Makes a new version of the certificate of a name the one in use, and removes old ones. Returns 0
 * or a negative errno: the version before stays in use.
 */
int acme_store_install(const struct acme_store *store, const char *name, struct weir_span chain,
        struct weir_span key);

#endif
