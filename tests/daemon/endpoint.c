/* Which endpoints keep their port over a reload, and which addresses are equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint.h"
#include "service.h"

/* "http 127.0.0.1:0", … up to NULL. */
static struct config *configure(const char *const *texts)
{
	struct config_listener listeners[8];
	size_t count = 0;
	for (; texts[count]; count++) {
		char type[16];
		const char *space = strchr(texts[count], ' ');
		memcpy(type, texts[count], (size_t)(space - texts[count]));
		type[space - texts[count]] = 0;
		listeners[count] = (struct config_listener){.type = listener_type_find(type)};
		assert_non_null(listeners[count].type);
		assert_int_equal(
		        weir_address_parse(weir_span_of(space + 1), &listeners[count].address), 0);
	}
	struct config *config = config_create();
	assert_non_null(config);
	assert_int_equal(config_set_listeners(config, listeners, count), 0);
	return config;
}

static struct endpoint_list reserve(const char *const *texts, const struct endpoint_list *old)
{
	struct config *config = configure(texts);
	struct endpoint_list list;
	assert_int_equal(endpoints_reserve(config, old, &list), 0);
	config_release(config);
	return list;
}

static unsigned port(const struct endpoint_list *list, size_t index)
{
	return weir_address_port(&list->items[index].actual);
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void any_port_is_kept(void **state)
{
	struct endpoint_list old = reserve(TEXTS("http 127.0.0.1:0", "http 127.0.0.1:0"), NULL);
	(void)state;
	assert_int_not_equal(port(&old, 0), 0);
	assert_int_not_equal(port(&old, 0), port(&old, 1));
	struct endpoint_list new =
	        reserve(TEXTS("https 127.0.0.1:0", "http 127.0.0.1:0", "http 127.0.0.1:0"), &old);
	assert_int_equal(port(&new, 1), port(&old, 0));
	assert_int_equal(port(&new, 2), port(&old, 1));
	assert_int_not_equal(port(&new, 0), port(&old, 0));
	assert_int_not_equal(port(&new, 0), port(&old, 1));
	assert_true(endpoint_same(&new.items[1], &old.items[0]));
	assert_false(endpoint_same(&new.items[2], &old.items[0]));
	assert_false(endpoint_same(&new.items[0], &old.items[0]));
	assert_int_equal(endpoints_port(&new, listener_type_find("http")), port(&old, 0));
	assert_int_equal(endpoints_port(&new, listener_type_find("https")), port(&new, 0));
	assert_int_equal(endpoints_port(&old, listener_type_find("https")), 0);
	endpoints_free(&new);
	endpoints_free(&old);
}

/* The old server listens there yet: the address is not to be asked for again. */
static void a_named_port_may_change_its_kind(void **state)
{
	char text[32], secure[32];
	struct endpoint_list any = reserve(TEXTS("http 127.0.0.1:0"), NULL);
	(void)state;
	snprintf(text, sizeof text, "http 127.0.0.1:%u", port(&any, 0));
	snprintf(secure, sizeof secure, "https 127.0.0.1:%u", port(&any, 0));
	endpoints_free(&any);
	struct endpoint_list old = reserve(TEXTS(text), NULL);
	struct endpoint_list new = reserve(TEXTS(secure), &old);
	assert_int_equal(port(&new, 0), port(&old, 0));
	assert_int_equal(new.items[0].reserved, -1);
	assert_false(endpoint_same(&new.items[0], &old.items[0]));
	endpoints_free(&new);
	endpoints_free(&old);
}

static void names_of_kinds(void **state)
{
	(void)state;
	assert_null(listener_type_find("httpx"));
	assert_null(listener_type_find(""));
	assert_true(listener_type_find("https")->secure);
	assert_false(listener_type_find("http")->secure);
	for (const struct listener_type *type = listener_types; type->name; type++)
		assert_ptr_equal(listener_type_find(type->name), type);
}

static void what_a_configuration_listens_for(void **state)
{
	struct config *config = configure(TEXTS("http 127.0.0.1:0"));
	(void)state;
	assert_true(listeners_include(config, SERVICE_HTTP));
	assert_false(listeners_include_secure(config));
	config_release(config);
	config = configure(TEXTS("http 127.0.0.1:0", "https 127.0.0.1:0"));
	assert_true(listeners_include_secure(config));
	config_release(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(any_port_is_kept),
	        cmocka_unit_test(a_named_port_may_change_its_kind),
	        cmocka_unit_test(names_of_kinds),
	        cmocka_unit_test(what_a_configuration_listens_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
