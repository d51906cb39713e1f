/*
 * Has a file of keys (*.def) declare the fields of a struct; types.h has it make the rows of a
 * table. Only config.h includes this file; it undefines the macros at its end.
 */
#define KEY(type, field, ...) FIELD_##type field;
#define SECTION(section, field, ...) struct config_##section field;
#define SECTIONS(section, field, ...)                                                              \
	struct {                                                                                   \
		struct config_##section *items;                                                    \
		size_t count;                                                                      \
	} field;
#define ROW(...)

/* How the types of types.h are stored. An item that follows the last of a list of text is NULL. */
#define FIELD_LIST(item)                                                                           \
	struct {                                                                                   \
		item *items;                                                                       \
		size_t count;                                                                      \
	}
#define FIELD_text const char *
#define FIELD_text_or_off const char *
#define FIELD_word unsigned
#define FIELD_flag bool
#define FIELD_number uint64_t
#define FIELD_size uint64_t
#define FIELD_duration uint64_t
#define FIELD_mode unsigned
#define FIELD_file const char *
#define FIELD_directory const char *
#define FIELD_new_directory const char *
#define FIELD_log const char *
#define FIELD_user const char *
#define FIELD_socket const char *
#define FIELD_admin struct config_admin
#define FIELD_ipv4 struct weir_address
#define FIELD_ports struct config_ports
#define FIELD_networks FIELD_LIST(struct weir_network)
#define FIELD_servers FIELD_LIST(struct weir_address)
#define FIELD_domain struct weir_dns_name
#define FIELD_domains FIELD_LIST(struct weir_dns_name)
#define FIELD_hosts FIELD_LIST(const char *)
#define FIELD_field_names FIELD_LIST(const char *)
#define FIELD_prefix const char *
#define FIELD_prefixes FIELD_LIST(const char *)
#define FIELD_fields const char *
#define FIELD_index_names const char *
#define FIELD_texts FIELD_LIST(const char *)
#define FIELD_patterns FIELD_LIST(const char *)
#define FIELD_methods unsigned
#define FIELD_statuses FIELD_LIST(struct weir_http_statuses)
#define FIELD_types FIELD_LIST(struct weir_http_type)
#define FIELD_error_pages FIELD_LIST(struct weir_http_error_page)
#define FIELD_changes FIELD_LIST(struct config_change)
#define FIELD_site_log const char *
#define FIELD_store_parts unsigned
