#include "value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int because(why *why, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(why->text, sizeof why->text, format, arguments);
  va_end(arguments);
  return -1;
}

int only(json_t *object, const char *const *known, const char *where, why *why)
{
  const char *name;
  json_t *value;
  if (!json_is_object(object))
    return because(why, "%s is no object", where);
  json_object_foreach(object, name, value) {
    size_t at = 0;
    while (known[at] != NULL && strcmp(known[at], name) != 0)
      at++;
    if (known[at] == NULL)
      return because(why, "%s has the unknown member %s", where, name);
  }
  return 0;
}

/* What stands at `path`, like `order.records.0.id`; borrowed. */
static json_t *found(const char *path, json_t *saved)
{
  char *copy = strdup(path), *rest = NULL;
  json_t *at = saved;
  for (char *part = strtok_r(copy, ".", &rest); part != NULL && at != NULL; part = strtok_r(NULL, ".", &rest))
    at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
  free(copy);
  return at;
}

json_t *resolved(json_t *value, json_t *saved, why *why)
{
  const char *name;
  json_t *item, *copy;
  size_t at;
  switch (json_typeof(value)) {
  case JSON_STRING:
    if (json_string_value(value)[0] != '$')
      return json_incref(value);
    item = found(json_string_value(value) + 1, saved);
    if (item == NULL)
      because(why, "nothing stands under %s", json_string_value(value));
    return json_incref(item);
  case JSON_ARRAY:
    copy = json_array();
    json_array_foreach(value, at, item) {
      if (json_array_append_new(copy, resolved(item, saved, why)) != 0) {
        json_decref(copy);
        return NULL;
      }
    }
    return copy;
  case JSON_OBJECT:
    copy = json_object();
    json_object_foreach(value, name, item) {
      if (json_object_set_new(copy, name, resolved(item, saved, why)) != 0) {
        json_decref(copy);
        return NULL;
      }
    }
    return copy;
  default:
    return json_incref(value);
  }
}

static int is_word(json_t *value, const char *word)
{
  return json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

int matches(json_t *wanted, json_t *answer, const char *where, why *why)
{
  const char *name;
  char place[512];
  json_t *item;
  size_t at;
  if (is_word(wanted, "<any>"))
    return answer != NULL && !json_is_null(answer) ? 0 : because(why, "%s has no value", where);
  if (is_word(wanted, "<absent>"))
    return answer == NULL ? 0 : because(why, "%s is there", where);
  if (answer == NULL)
    return because(why, "%s is not there", where);
  if (json_is_object(wanted) && json_is_object(answer)) {
    json_object_foreach(wanted, name, item) {
      snprintf(place, sizeof place, "%s.%s", where, name);
      if (matches(item, json_object_get(answer, name), place, why) != 0)
        return -1;
    }
    return 0;
  }
  if (json_is_array(wanted) && json_is_array(answer)) {
    if (json_array_size(wanted) != json_array_size(answer))
      return because(why, "%s has %zu items, not %zu", where, json_array_size(answer), json_array_size(wanted));
    json_array_foreach(wanted, at, item) {
      snprintf(place, sizeof place, "%s[%zu]", where, at);
      if (matches(item, json_array_get(answer, at), place, why) != 0)
        return -1;
    }
    return 0;
  }
  /* 1 and 1.0 are one number. */
  if (json_is_number(wanted) && json_is_number(answer) && json_number_value(wanted) == json_number_value(answer))
    return 0;
  if (json_equal(wanted, answer))
    return 0;
  char *is = json_dumps(answer, JSON_ENCODE_ANY | JSON_COMPACT), *want = json_dumps(wanted, JSON_ENCODE_ANY | JSON_COMPACT);
  because(why, "%s is %.600s, not %.600s", where, is, want);
  free(is);
  free(want);
  return -1;
}

/* Days since 1970 of a date, and back, for every year (Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(int64_t year, int month, int day)
{
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

json_t *time_json(int64_t micros)
{
  int64_t days = micros / 86400000000, rest = micros % 86400000000;
  if (rest < 0) {
    rest += 86400000000;
    days--;
  }
  int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  int64_t of_era = shifted - era * 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100), part = (5 * of_year + 2) / 153;
  int day = (int)(of_year - (153 * part + 2) / 5 + 1), month = (int)(part < 10 ? part + 3 : part - 9);
  year += era * 400 + (month <= 2);
  return json_sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (int)year, month, day, (int)(rest / 3600000000),
                      (int)(rest / 60000000 % 60), (int)(rest / 1000000 % 60), (int)(rest % 1000000));
}

int time_read(const char *text, int64_t *micros)
{
  int year, month, day, hour, minute, second, end = 0, hours, minutes;
  if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &end) != 6 || end != 19)
    return -1;
  int64_t fraction = 0, unit = 100000;
  text += end;
  if (*text == '.')
    for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
      fraction += (*text - '0') * unit;
  int64_t offset = 0;
  if ((*text == '+' || *text == '-') && sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) == 2 && text[1 + end] == 0)
    offset = (*text == '+' ? 1 : -1) * (hours * 60 + minutes);
  else if (strcmp(text, "Z") != 0)
    return -1;
  int64_t of_day = hour * 3600 + minute * 60 + second - offset * 60;
  *micros = (days_of(year, month, day) * 86400 + of_day) * 1000000 + fraction;
  return 0;
}
