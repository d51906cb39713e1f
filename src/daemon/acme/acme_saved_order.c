/* The file has a line each for the URLs of the authority and of the order, and the key in PEM. */
#include <errno.h>
#include <stdio.h>

#include "acme_jose.h"
#include "acme_saved_order.h"
#include "acme_store.h"
#include "helper.h"

static void acme_saved_order_path(const char *name, char path[ACME_PATH_SIZE])
{
	char file[ACME_NAME_SIZE + 16];
	acme_store_file_of(name, file, sizeof file);
	snprintf(path, ACME_PATH_SIZE, ACME_ORDERS "/%s", file);
}

int acme_saved_order_write(const struct acme_store *store, const char *name, const char *authority,
        const struct acme_saved_order *order)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer text = {0}, key = {0};
	acme_saved_order_path(name, path);
	int error = acme_key_print(order->key, &key);
	if (error == 0)
		error = weir_buffer_format(&text, ACME_FILE_MAX, "%s\n%s\n%.*s", authority,
		        order->url, (int)key.size, key.data);
	if (error == 0)
		error = acme_store_write(store, path, weir_buffer_span(&text));
	buffer_erase(&text);
	buffer_erase(&key);
	return error;
}

static int acme_saved_order_parse(
        struct weir_span text, const char *authority, struct acme_saved_order *ret)
{
	struct weir_span of, url;
	weir_span_cut(&text, '\n', &of);
	weir_span_cut(&text, '\n', &url);
	if (!weir_span_equal(of, weir_span_of(authority)) || !acme_url_is_good(url) ||
	        !text_copy_span(ret->url, sizeof ret->url, url))
		return -ENOENT;
	ret->key = acme_key_parse(text);
	return ret->key ? 0 : -ENOENT;
}

int acme_saved_order_read(const struct acme_store *store, const char *name, const char *authority,
        struct acme_saved_order *ret)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer text = {0};
	acme_saved_order_path(name, path);
	int error = acme_store_read(store, path, &text);
	if (error == 0)
		error = acme_saved_order_parse(weir_buffer_span(&text), authority, ret);
	if (error == 0)
		ret->saved_s = acme_store_written_ns(store, path) / 1000000000;
	buffer_erase(&text);
	return error;
}

void acme_saved_order_remove(const struct acme_store *store, const char *name)
{
	char path[ACME_PATH_SIZE];
	acme_saved_order_path(name, path);
	acme_store_remove(store, path);
}
