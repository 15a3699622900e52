/* Time by operator, from the runtime's own profiler (whole microseconds). */
#ifndef EDGE_BERT_PROFILE_H
#define EDGE_BERT_PROFILE_H

#include "session.h"

/* Runs some inferences under the profiler. Fails with failed_profile. */
void collect_profile(const struct session *session);

/* Prints a JSON object: `runs`, and `operators`, an array of {name, index, delegate, us, calls} in the
 * order of execution, summed over the runs. */
void print_profile(void);

#endif
