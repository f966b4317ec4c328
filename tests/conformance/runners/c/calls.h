/* The calls of a scenario, through the accessors of the header where it has some. */
#ifndef CALLS_H
#define CALLS_H

#include "world.h"

/* Does one step; answers 0 and leaves what came of it, or -1 if the runner cannot do it. */
int call(world *world, json_t *step, json_t *arguments, outcome *outcome, why *why);

#endif
