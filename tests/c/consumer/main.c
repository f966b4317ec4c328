/* A program of somebody else. It opens a database that cannot be, so that the whole library has to be there. */
#include <medorder.h>
#include <stdio.h>

int main(void)
{
  medorder_keys *keys = NULL;
  medorder_service *service = NULL;
  if (medorder_abi_version() != MEDORDER_ABI)
    return 1;
  if (medorder_keys_variable(MEDORDER_TEXT("MEDORDER_NO_SUCH_VARIABLE"), &keys, NULL) != MEDORDER_VALIDATION_ERROR)
    return 2;
  if (medorder_open(MEDORDER_TEXT("orders.db"), keys, NULL, &service, NULL) != MEDORDER_VALIDATION_ERROR)
    return 3;
  printf("medorder %s, interface %u\n", medorder_version(), (unsigned)medorder_abi_version());
  return 0;
}
