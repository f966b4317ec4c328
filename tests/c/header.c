/* The header alone, as each standard reads it. */
#if (defined(__cplusplus) && __cplusplus < 201103L) || (!defined(__cplusplus) && !defined(__STDC_VERSION__))
#include <medorder_c89.h>
#else
#include <medorder.h>
#endif
/* Twice is once. */
#include <medorder.h>

#include <stdio.h>

int header(const char *text);

int header(const char *text)
{
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
  medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
  medorder_keys *keys = NULL;
  medorder_error *error = NULL;
  if (query.created_from != MEDORDER_ABSENT || options.struct_size != sizeof options || callbacks.reserved != 0)
    return 1;
  if (medorder_keys_file(MEDORDER_TEXT(text), &keys, &error) != MEDORDER_OK)
    printf("%s\n", medorder_error_message(error));
  medorder_error_free(error);
  medorder_keys_free(keys);
  return MEDORDER_ABI;
}
