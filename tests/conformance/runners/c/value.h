/* JSON of scenarios: references, matching, and times. */
#ifndef VALUE_H
#define VALUE_H

#include <jansson.h>
#include <stdint.h>

/* A place for the reason of a failure. */
typedef struct why {
  char text[2048];
} why;

/* Writes the reason; answers -1, so that a failing function can return it. */
int because(why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 0 if every member of `object` is in the list, which ends with NULL. */
int only(json_t *object, const char *const *known, const char *where, why *why);

/* A copy with each text `$name.member` replaced by what stands under it in `saved`; NULL if there is no such thing. */
json_t *resolved(json_t *value, json_t *saved, why *why);

/* 0 if `answer` is as `wanted` says. */
int matches(json_t *wanted, json_t *answer, const char *where, why *why);

/* Microseconds since 1970 as RFC 3339, and back; the second answers -1 for text that is no time. */
json_t *time_json(int64_t micros);
int time_read(const char *text, int64_t *micros);

#endif
