/* One verb of a run at a time. */
#ifndef FST_API_RUN_VERBS_H
#define FST_API_RUN_VERBS_H

#include "stages/run.h"

/* FST_ERR_BUSY while another verb runs. */
fst_status fst__run_enter(fst_run *run, const char *function);
/* Hands `status` back; a run destroyed meanwhile goes now. */
fst_status fst__run_leave(fst_run *run, fst_status status);

#endif
