/*
 * medorder.h for compilers without <stdint.h>: C89 and C++98. Include this file instead.
 *
 * Where the system has the header all the same, as every glibc has, it is used. Elsewhere the integers of medorder.h are
 * named by what <limits.h> says of the compiler; where one of them has no type the compilation stops, since a program
 * with other widths would not fit the library. MEDORDER_OWN_TYPES forces the second way.
 */
#ifndef MEDORDER_C89_H
#define MEDORDER_C89_H

#include <limits.h>

#if defined(MEDORDER_OWN_TYPES) || \
    !(defined(__GLIBC__) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L) || defined(INT32_MAX))
#ifndef MEDORDER_NO_STDINT
#define MEDORDER_NO_STDINT

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
