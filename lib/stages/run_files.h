/* A run's checkpoints: saving, resuming, rolling back. */
#ifndef FST_STAGES_RUN_FILES_H
#define FST_STAGES_RUN_FILES_H

#include "stages/run.h"

/* best.safetensors in the run's directory. */
fst_status fst__run_save_best(fst_run *run);

/* The newest good checkpoint of the run's directory. */
fst_status fst__run_load_newest(fst_run *run);

#endif
