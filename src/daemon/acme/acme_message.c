/* Members that are not named here are ignored, as RFC 8555 7.1 asks for. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <weir/error.h>

#include "acme_message.h"
#include "helper.h"

const char *const acme_challenge_names[ACME_CHALLENGE_KINDS] = {
        [ACME_HTTP_01] = "http-01",
        [ACME_TLS_ALPN_01] = "tls-alpn-01",
        [ACME_DNS_01] = "dns-01",
};

/* -- values ------------------------------------------------------------------------------------ */

bool acme_url_is_good(struct weir_span url)
{
	if (url.size >= ACME_URL_SIZE || url.size <= 8 ||
	        !weir_span_starts(url, WEIR_SPAN("https://")))
		return false;
	for (size_t i = 0; i < url.size; i++)
		if (url.data[i] <= ' ' || url.data[i] > '~' || strchr("\"\\<>^`{|}", url.data[i]))
			return false;
	return true;
}

static bool acme_text_is_base64(struct weir_span text, size_t room)
{
	if (text.size == 0 || text.size >= room)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (!isalnum((unsigned char)text.data[i]) && text.data[i] != '-' &&
		        text.data[i] != '_')
			return false;
	return true;
}

bool acme_nonce_is_good(struct weir_span nonce)
{
	return acme_text_is_base64(nonce, ACME_TEXT_SIZE);
}

bool acme_token_is_good(struct weir_span token)
{
	return acme_text_is_base64(token, ACME_TOKEN_SIZE);
}

bool acme_id_is_good(struct weir_span id)
{
	struct weir_span authority;
	return id.size < ACME_ID_SIZE && weir_span_cut(&id, '.', &authority) &&
	       acme_text_is_base64(authority, ACME_ID_SIZE) &&
	       acme_text_is_base64(id, ACME_ID_SIZE);
}

/* The text of a member; data is NULL if it is no text. */
static struct weir_span acme_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return weir_span(json_string_value(value), json_string_length(value));
}

/* Stores a URL. Returns false if it is malformed, or missing although it is required. */
static bool acme_member_url(
        const json_t *object, const char *name, bool required, char ret[ACME_URL_SIZE])
{
	struct weir_span url = acme_member(object, name);
	if (!json_object_get(object, name))
		return !required;
	return acme_url_is_good(url) && text_copy_span(ret, ACME_URL_SIZE, url);
}

/* Returns 0, with an object in `*ret`, which json_decref frees. */
static int acme_object_load(struct weir_span json, json_t **ret)
{
	json_error_t fault;
	json_t *object =
	        json_loadb(json.size ? json.data : "", json.size, JSON_REJECT_DUPLICATES, &fault);
	if (json_is_object(object)) {
		*ret = object;
		return 0;
	}
	bool no_memory = !object && json_error_code(&fault) == json_error_out_of_memory;
	json_decref(object);
	return no_memory ? -ENOMEM : WEIR_E_SYNTAX;
}

static bool acme_member_status(const json_t *object, enum acme_status *ret)
{
	static const struct {
		const char *name;
		enum acme_status status;
	} known[] = {{"pending", ACME_PENDING}, {"ready", ACME_READY},
	        {"processing", ACME_PROCESSING}, {"valid", ACME_VALID}, {"invalid", ACME_INVALID},
	        {"expired", ACME_INVALID}, {"revoked", ACME_INVALID},
	        {"deactivated", ACME_INVALID}};
	struct weir_span text = acme_member(object, "status");
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (weir_span_equal(text, weir_span_of(known[i].name))) {
			*ret = known[i].status;
			return true;
		}
	return false;
}

/* -- problems ---------------------------------------------------------------------------------- */

static void acme_problem_take(const json_t *object, struct acme_problem *ret)
{
	static const char prefix[] = "urn:ietf:params:acme:error:";
	struct weir_span type = acme_member(object, "type");
	if (weir_span_starts(type, weir_span_of(prefix)))
		type = weir_span_skip(type, sizeof prefix - 1);
	text_copy_plain(ret->type, sizeof ret->type, type);
	text_copy_plain(ret->detail, sizeof ret->detail, acme_member(object, "detail"));
}

void acme_problem_parse(struct weir_span json, struct acme_problem *ret)
{
	json_t *object;
	*ret = (struct acme_problem){0};
	if (acme_object_load(json, &object) < 0)
		return;
	acme_problem_take(object, ret);
	json_decref(object);
}

/* -- the directory ----------------------------------------------------------------------------- */

static bool acme_directory_take(
        const json_t *object, const char *profile, struct acme_directory *directory)
{
	const json_t *meta = json_object_get(object, "meta");
	const json_t *profiles = json_object_get(meta, "profiles");
	directory->binding_required =
	        json_is_true(json_object_get(meta, "externalAccountRequired"));
	directory->has_profile = !profile || json_object_get(profiles, profile);
	acme_member_url(meta, "termsOfService", false, directory->terms);
	return acme_member_url(object, "newNonce", true, directory->new_nonce) &&
	       acme_member_url(object, "newAccount", true, directory->new_account) &&
	       acme_member_url(object, "newOrder", true, directory->new_order) &&
	       acme_member_url(object, "keyChange", false, directory->key_change) &&
	       acme_member_url(object, "renewalInfo", false, directory->renewal_info);
}

int acme_directory_parse(struct weir_span json, const char *profile, struct acme_directory *ret)
{
	struct acme_directory directory = {0};
	json_t *object;
	int error = acme_object_load(json, &object);
	if (error < 0)
		return error;
	bool good = acme_directory_take(object, profile, &directory);
	json_decref(object);
	if (!good)
		return WEIR_E_SYNTAX;
	*ret = directory;
	return 0;
}

/* -- dates ------------------------------------------------------------------------------------- */

/* Reads `digits` digits from `*at` on. Returns -1 if there are none. */
static int acme_date_number(struct weir_span text, size_t *at, size_t digits)
{
	int number = 0;
	if (text.size - *at < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		char c = text.data[(*at)++];
		if (c < '0' || c > '9')
			return -1;
		number = 10 * number + (c - '0');
	}
	return number;
}

static bool acme_date_skip(struct weir_span text, size_t *at, char expected)
{
	return *at < text.size && toupper((unsigned char)text.data[(*at)++]) == expected;
}

/* Reads "Z" or "+01:30" up to the end. */
static bool acme_date_zone(struct weir_span text, size_t at, int *ret_s)
{
	if (at + 1 == text.size && toupper((unsigned char)text.data[at]) == 'Z')
		return true;
	if (at + 6 != text.size || (text.data[at] != '+' && text.data[at] != '-'))
		return false;
	int sign = text.data[at++] == '-' ? -1 : 1;
	int hours = acme_date_number(text, &at, 2);
	bool colon = acme_date_skip(text, &at, ':');
	int minutes = acme_date_number(text, &at, 2);
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return colon && hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

int acme_date_parse(struct weir_span text, int64_t *ret_s)
{
	static const struct {
		char before;
		size_t digits;
		int low, high;
	} parts[] = {{0, 4, 1970, 9999}, {'-', 2, 1, 12}, {'-', 2, 1, 31}, {'T', 2, 0, 23},
	        {':', 2, 0, 59}, {':', 2, 0, 60}};
	int values[6], zone_s = 0;
	size_t at = 0;
	for (size_t i = 0; i < 6; i++) {
		if (parts[i].before && !acme_date_skip(text, &at, parts[i].before))
			return WEIR_E_SYNTAX;
		values[i] = acme_date_number(text, &at, parts[i].digits);
		if (values[i] < parts[i].low || values[i] > parts[i].high)
			return WEIR_E_SYNTAX;
	}
	if (at < text.size && text.data[at] == '.')
		for (at++; at < text.size && isdigit((unsigned char)text.data[at]);)
			at++;
	if (!acme_date_zone(text, at, &zone_s))
		return WEIR_E_SYNTAX;
	struct tm tm = {.tm_year = values[0] - 1900,
	        .tm_mon = values[1] - 1,
	        .tm_mday = values[2],
	        .tm_hour = values[3],
	        .tm_min = values[4],
	        .tm_sec = values[5]};
	*ret_s = (int64_t)timegm(&tm) - zone_s;
	return 0;
}

/* -- orders ------------------------------------------------------------------------------------ */

static bool acme_order_take_authorizations(const json_t *object, struct acme_order_state *order)
{
	const json_t *list = json_object_get(object, "authorizations");
	size_t count = json_array_size(list);
	if (count == 0 || count > ACME_AUTHORIZATIONS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(list, i);
		struct weir_span url = weir_span(json_string_value(item), json_string_length(item));
		if (!acme_url_is_good(url))
			return false;
		text_copy_span(order->authorizations[i], ACME_URL_SIZE, url);
	}
	order->authorization_count = count;
	return true;
}

static bool acme_order_take(const json_t *object, struct acme_order_state *order)
{
	acme_problem_take(json_object_get(object, "error"), &order->problem);
	acme_date_parse(acme_member(object, "expires"), &order->expires_s);
	return acme_member_status(object, &order->status) &&
	       acme_member_url(object, "finalize", true, order->finalize) &&
	       acme_member_url(
	               object, "certificate", order->status == ACME_VALID, order->certificate) &&
	       acme_order_take_authorizations(object, order);
}

int acme_order_parse(struct weir_span json, struct acme_order_state *ret)
{
	struct acme_order_state order = {0};
	json_t *object;
	int error = acme_object_load(json, &object);
	if (error < 0)
		return error;
	bool good = acme_order_take(object, &order);
	json_decref(object);
	if (!good)
		return WEIR_E_SYNTAX;
	*ret = order;
	return 0;
}

/* -- authorizations ---------------------------------------------------------------------------- */

/* Kinds that are not known, and a second one of a kind, are ignored. */
static bool acme_challenge_take(const json_t *object, struct acme_authorization *authorization)
{
	struct weir_span type = acme_member(object, "type"), token = acme_member(object, "token");
	const json_t *error = json_object_get(object, "error");
	size_t kind = 0;
	if (error && !*authorization->problem.type)
		acme_problem_take(error, &authorization->problem);
	while (kind < ACME_CHALLENGE_KINDS &&
	        !weir_span_equal(type, weir_span_of(acme_challenge_names[kind])))
		kind++;
	if (kind == ACME_CHALLENGE_KINDS)
		return true;
	struct acme_challenge *challenge = &authorization->challenges[kind];
	if (*challenge->url)
		return true;
	return acme_token_is_good(token) &&
	       text_copy_span(challenge->token, sizeof challenge->token, token) &&
	       acme_member_url(object, "url", true, challenge->url);
}

static bool acme_authorization_take_name(
        const json_t *object, struct acme_authorization *authorization)
{
	const json_t *identifier = json_object_get(object, "identifier");
	struct weir_span name = acme_member(identifier, "value");
	if (!weir_span_equal(acme_member(identifier, "type"), WEIR_SPAN("dns")) || name.size == 0 ||
	        name.size >= ACME_NAME_SIZE)
		return false;
	for (size_t i = 0; i < name.size; i++)
		authorization->name[i] = (char)tolower((unsigned char)name.data[i]);
	return true;
}

static bool acme_authorization_take(const json_t *object, struct acme_authorization *authorization)
{
	const json_t *list = json_object_get(object, "challenges");
	size_t count = json_array_size(list);
	bool good = acme_member_status(object, &authorization->status) &&
	            acme_authorization_take_name(object, authorization) && json_is_array(list) &&
	            count <= ACME_CHALLENGES_MAX;
	authorization->wildcard = json_is_true(json_object_get(object, "wildcard"));
	for (size_t i = 0; good && i < count; i++)
		good = acme_challenge_take(json_array_get(list, i), authorization);
	return good;
}

int acme_authorization_parse(struct weir_span json, struct acme_authorization *ret)
{
	struct acme_authorization authorization = {0};
	json_t *object;
	int error = acme_object_load(json, &object);
	if (error < 0)
		return error;
	bool good = acme_authorization_take(object, &authorization);
	json_decref(object);
	if (!good)
		return WEIR_E_SYNTAX;
	*ret = authorization;
	return 0;
}

/* -- renewal ----------------------------------------------------------------------------------- */

int acme_renewal_parse(struct weir_span json, struct acme_renewal *ret)
{
	struct acme_renewal renewal;
	json_t *object;
	int error = acme_object_load(json, &object);
	if (error < 0)
		return error;
	const json_t *window = json_object_get(object, "suggestedWindow");
	error = acme_date_parse(acme_member(window, "start"), &renewal.start_s);
	if (error == 0)
		error = acme_date_parse(acme_member(window, "end"), &renewal.end_s);
	json_decref(object);
	if (error == 0 && renewal.start_s >= renewal.end_s)
		error = WEIR_E_SYNTAX;
	if (error == 0)
		*ret = renewal;
	return error;
}
