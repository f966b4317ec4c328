/*
 * medorder.h for compilers without <stdint.h>: C89 and C++98. Include this file instead.
 *
 * It names the integers of medorder.h by what <limits.h> says of this compiler. Where one of them has no type the
 * compilation stops, since a program with other widths would not fit the library.
 */
#ifndef MEDORDER_C89_H
#define MEDORDER_C89_H

#include <limits.h>

#ifndef MEDORDER_NO_STDINT
#define MEDORDER_NO_STDINT

/* A program that has <stdint.h> after all may include it as well: then its types are these. */
#if !defined(INT32_MAX) && !defined(_STDINT_H) && !defined(_STDINT_H_)

#if UCHAR_MAX != 255
#error "medorder needs bytes of 8 bits"
#endif
typedef unsigned char uint8_t;

#if INT_MAX == 2147483647
typedef int int32_t;
typedef unsigned int uint32_t;
#elif LONG_MAX == 2147483647
typedef long int32_t;
typedef unsigned long uint32_t;
#else
#error "medorder needs an integer of 32 bits"
#endif

#if LONG_MAX > 2147483647
typedef long int64_t;
typedef unsigned long uint64_t;
#elif defined(__GNUC__)
__extension__ typedef long long int64_t;
__extension__ typedef unsigned long long uint64_t;
#elif defined(_MSC_VER)
typedef __int64 int64_t;
typedef unsigned __int64 uint64_t;
#else
#error "medorder needs an integer of 64 bits"
#endif

#endif
#endif

#include "medorder.h"

#endif
