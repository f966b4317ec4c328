#include <medorder.hpp>
#include <medorder.hpp>
