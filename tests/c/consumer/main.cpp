#include <iostream>
#include <medorder.hpp>

int main()
{
  try {
    medorder::keys::variable("MEDORDER_NO_SUCH_VARIABLE");
  } catch (const medorder::error& error) {
    std::cout << "medorder " << medorder::version() << ", interface " << medorder_abi_version() << '\n';
    return error.code() == MEDORDER_VALIDATION_ERROR ? 0 : 1;
  }
  return 1;
}
