/*
 * Objects of an authority: any bytes as each of them. The first byte chooses. A URL that is taken
 * may be asked, and a token that is taken may be the name of a file.
 */
#include <stdlib.h>
#include <string.h>

#include "acme_jose.h"
#include "acme_message.h"
#include "acme_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool good)
{
	if (!good)
		abort();
}

static void expect_url(const char *url, bool required)
{
	expect(*url ? acme_url_is_good(weir_span_of(url)) : !required);
}

static void expect_text(const char *text)
{
	for (; *text; text++)
		expect(*text >= ' ' && *text <= '~');
}

static void read_directory(struct weir_span json)
{
	struct acme_directory directory;
	if (acme_directory_parse(json, "short", &directory) < 0)
		return;
	expect_url(directory.new_nonce, true);
	expect_url(directory.new_account, true);
	expect_url(directory.new_order, true);
	expect_url(directory.key_change, false);
	expect_url(directory.renewal_info, false);
	expect_url(directory.terms, false);
}

static void read_order(struct weir_span json)
{
	struct acme_order_state order;
	if (acme_order_parse(json, &order) < 0)
		return;
	expect_url(order.finalize, true);
	expect_url(order.certificate, order.status == ACME_VALID);
	expect(order.authorization_count > 0 &&
	        order.authorization_count <= ACME_AUTHORIZATIONS_MAX);
	for (size_t i = 0; i < order.authorization_count; i++)
		expect_url(order.authorizations[i], true);
	expect_text(order.problem.detail);
}

static void read_authorization(struct weir_span json)
{
	struct acme_authorization authorization;
	if (acme_authorization_parse(json, &authorization) < 0)
		return;
	expect(*authorization.name);
	for (size_t i = 0; i < ACME_CHALLENGE_KINDS; i++) {
		const struct acme_challenge *challenge = &authorization.challenges[i];
		expect_url(challenge->url, false);
		expect(!*challenge->url || acme_token_is_good(weir_span_of(challenge->token)));
	}
}

static void read_others(struct weir_span json)
{
	struct acme_renewal renewal;
	struct acme_problem problem;
	struct acme_state state;
	unsigned char bytes[ACME_BINDING_KEY_MAX];
	size_t decoded = 0;
	if (acme_renewal_parse(json, &renewal) == 0)
		expect(renewal.start_s < renewal.end_s);
	acme_problem_parse(json, &problem);
	expect_text(problem.type);
	expect_text(problem.detail);
	if (acme_state_parse(json, &state) == 0)
		expect(state.next_s >= 0 && state.renew_s >= 0);
	if (acme_base64_decode(json, bytes, sizeof bytes, &decoded))
		expect(decoded <= json.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct weir_span json) = {
	        read_directory, read_order, read_authorization, read_others};
	if (size == 0)
		return 0;
	/* A copy of this size, so that a read behind its end is found. */
	char *copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	readers[data[0] % 4](weir_span(copy, size - 1));
	free(copy);
	return 0;
}
