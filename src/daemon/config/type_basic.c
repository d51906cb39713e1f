/* Values that are known by their text alone: words, flags, numbers, sizes, durations. */
#include <inttypes.h>
#include <string.h>

#include <weir/span.h>

#include "types.h"

/* -- text -------------------------------------------------------------------------------------- */

bool type_store_text(struct reader *reader, const char *text, size_t size, void *target)
{
	char *copy = reader_copy(reader, text, size);
	memcpy(target, &copy, sizeof copy);
	return copy;
}

static bool text_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	return type_store_text(reader, text, strlen(text), target);
}

static void text_print(FILE *to, const struct key *key, const void *value)
{
	const char *text = *(const char *const *)value;
	(void)key;
	if (text)
		yaml_print_text(to, text);
}

static bool text_or_off_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return strcmp(text, "off") == 0 ? type_store_text(reader, "", 0, target)
	                                : text_parse(reader, key, text, target);
}

static void text_or_off_print(FILE *to, const struct key *key, const void *value)
{
	const char *text = *(const char *const *)value;
	if (text && !*text)
		fputs("off", to);
	else
		text_print(to, key, value);
}

const struct type type_text = {
        .what = "a text",
        .argument = "TEXT",
        .size = sizeof(char *),
        .parse = text_parse,
        .print = text_print,
};
const struct type type_text_or_off = {
        .what = "a text, or off",
        .argument = "TEXT|off",
        .size = sizeof(char *),
        .parse = text_or_off_parse,
        .print = text_or_off_print,
};

/* -- words ------------------------------------------------------------------------------------- */

static bool word_is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

bool type_flag_is_yes(const char *text)
{
	static const char *const yes[] = {"yes", "true", "on", NULL};
	return word_is_one_of(text, yes);
}

static bool flag_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	static const char *const no[] = {"no", "false", "off", NULL};
	bool value = type_flag_is_yes(text);
	if (!value && !word_is_one_of(text, no))
		return reader_refuse(reader, key, text);
	*(bool *)target = value;
	return true;
}

/* Writes "any, optional or required". */
static void word_list(const char *const *words, char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; words[i] && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		        i == 0         ? ""
		        : words[i + 1] ? ", "
		                       : " or ",
		        words[i]);
}

static bool word_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	char words[256] = "";
	for (unsigned i = 0; key->words[i]; i++) {
		if (strcmp(text, key->words[i]) != 0)
			continue;
		memcpy(target, &i, sizeof i);
		return true;
	}
	word_list(key->words, words, sizeof words);
	reader_problem(reader, "%s must be %s, not '%.64s'", reader->name, words, text);
	return false;
}

/* -- numbers ----------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t factor;
};

/* Each list begins with the smallest. */
static const struct unit number_units[] = {{"", 1}, {0}};
static const struct unit size_units[] = {
        {"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}, {"T", 1ull << 40}, {0}};
static const struct unit duration_units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {0}};

static const struct unit *number_units_of(const struct type *type)
{
	return type == &type_size       ? size_units
	       : type == &type_duration ? duration_units
	                                : number_units;
}

/* Reads "30s": a whole number, and one of the units. */
static bool number_read(const char *text, const struct unit *units, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;
	if (weir_span_number(weir_span(text, digits), 10, &number) < 0)
		return false;
	for (; units->name; units++)
		if (strcmp(units->name, text + digits) == 0)
			return !__builtin_mul_overflow(number, units->factor, ret);
	return false;
}

/* Writes the largest unit in which the number is whole. */
static void number_write(const struct type *type, uint64_t number, char *text, size_t size)
{
	const struct unit *units = number_units_of(type), *best = units;
	for (; units->name; units++)
		if (number && number % units->factor == 0)
			best = units;
	/* 0 is written as 0s, not 0ms. */
	if (number == 0 && type == &type_duration)
		best = &duration_units[1];
	snprintf(text, size, "%" PRIu64 "%s", number / best->factor, best->name);
}

static bool number_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	const struct type *type = key->type;
	char min[32], max[32];
	uint64_t number;
	if (key->zero && strcmp(text, key->zero) == 0) {
		type_store(type, 0, target);
		return true;
	}
	number_write(type, key->min, min, sizeof min);
	number_write(type, key->max, max, sizeof max);
	if (!number_read(text, number_units_of(type), &number))
		reader_problem(reader, "%s must be %s%s%s, not '%.64s'", reader->name, type->what,
		        key->zero ? " or " : "", key->zero ? key->zero : "", text);
	else if (number < key->min || number > key->max)
		reader_problem(reader, "%s must be from %s to %s, not %.64s", reader->name, min,
		        max, text);
	else {
		type_store(type, number, target);
		return true;
	}
	return false;
}

/* Without the owner's right to read and write, uploads could be neither served nor replaced. */
static bool mode_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	size_t size = strlen(text);
	uint64_t mode;
	if (size < 3 || size > 4 || weir_span_number(weir_span(text, size), 8, &mode) < 0 ||
	        mode > 0777 || (mode & 0600) != 0600)
		return reader_refuse(reader, key, text);
	*(unsigned *)target = (unsigned)mode;
	return true;
}

void type_print_number(FILE *to, const struct key *key, uint64_t number)
{
	char text[32];
	if (key->type == &type_flag)
		snprintf(text, sizeof text, "%s", number ? "yes" : "no");
	else if (key->type == &type_word)
		snprintf(text, sizeof text, "%s", key->words[number]);
	else if (key->type == &type_mode)
		snprintf(text, sizeof text, "%04o", (unsigned)number);
	else
		number_write(key->type, number, text, sizeof text);
	fputs(number == 0 && key->zero ? key->zero : text, to);
}

static void number_print(FILE *to, const struct key *key, const void *value)
{
	type_print_number(to, key, type_load(key->type, value));
}

const struct type type_flag = {
        .what = "yes or no",
        .argument = "yes|no",
        .size = sizeof(bool),
        .number = true,
        .parse = flag_parse,
        .print = number_print,
};
const struct type type_word = {
        .what = "one of the words",
        .argument = "WORD",
        .size = sizeof(unsigned),
        .number = true,
        .parse = word_parse,
        .print = number_print,
};
const struct type type_number = {
        .what = "a whole number",
        .argument = "NUMBER",
        .size = sizeof(uint64_t),
        .number = true,
        .parse = number_parse,
        .print = number_print,
};
const struct type type_size = {
        .what = "a size such as 64K, 10M or 2G",
        .argument = "SIZE",
        .size = sizeof(uint64_t),
        .number = true,
        .parse = number_parse,
        .print = number_print,
};
const struct type type_duration = {
        .what = "a duration such as 500ms, 30s, 2m or 1h",
        .argument = "DURATION",
        .size = sizeof(uint64_t),
        .number = true,
        .parse = number_parse,
        .print = number_print,
};
const struct type type_mode = {
        .what = "permission bits in octal from 0600 to 0777, such as 0640",
        .argument = "MODE",
        .size = sizeof(unsigned),
        .number = true,
        .parse = mode_parse,
        .print = number_print,
};
