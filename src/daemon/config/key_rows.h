/*
 * Has a file of keys (*.def) make the rows of a table. KEYS_STRUCT is the struct that stores them:
 *
 *   #define KEYS_STRUCT config_limits
 *   static const struct key limit_keys[] = {
 *   #include "limit_keys.def"
 *           {0},
 *   };
 *   #undef KEYS_STRUCT
 */
#ifndef DAEMON_KEY_ROWS_H
#define DAEMON_KEY_ROWS_H

#include "config.h"
#include "types.h"

/* A value: its type is type_<type>, its field is declared by key_fields.h. */
#define KEY(type, field, name, ...)                                                                \
	{name, &type_##type, offsetof(struct KEYS_STRUCT, field), __VA_ARGS__},

/* The section table_<section>, whose struct is config_<section>; and a list of these. */
#define SECTION(section, field, name, ...)                                                         \
	{name, &type_section, offsetof(struct KEYS_STRUCT, field), .of = &table_##section,         \
	        __VA_ARGS__},
#define SECTIONS(section, field, name, ...)                                                        \
	{name, &type_sections, offsetof(struct KEYS_STRUCT, field), .of = &table_##section,        \
	        __VA_ARGS__},

/* A value whose field is declared elsewhere. */
#define ROW(type, name, offset, ...) {name, &type_##type, offset, __VA_ARGS__},

#endif
