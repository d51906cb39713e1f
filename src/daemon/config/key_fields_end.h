/* Ends key_fields.h. */
#undef KEY
#undef SECTION
#undef SECTIONS
#undef ROW
