/*
 * What every stage that trains a model with an optimizer shares: the model, the optimizer, the
 * gradients between micro-batches, and their walk.
 */
#ifndef FST_STAGES_TRAINING_H
#define FST_STAGES_TRAINING_H

#include "model/optimizer.h"
#include "stages/checkpoint.h"
#include "stages/run.h"

typedef struct fst__training {
    fst_model *model;         /* held */
    fst_optimizer *optimizer; /* held */
    bool clean; /* the gradients are known to be zero */
} fst__training;

/* optimizer NULL: one with the defaults is made. `stage` names the options in errors. */
fst_status fst__training_create(fst_model *model, fst_optimizer *optimizer, const char *stage,
                                fst__training *training);
void fst__training_destroy(fst__training *training); /* takes one that is all zero */

void fst__training_zero_gradients(fst__training *training);

/* The update; the gradients are zero after it. */
fst_status fst__training_update(fst__training *training, fst_optimizer_report *report);

/* Puts the name of the first weight that is not finite, if there is one, into the thread's error
 * text, behind what it says. */
fst_status fst__training_blame(const fst__training *training, fst_status status);

/* Settings, weights, moments and, `with_gradients`, the gradients gathered so far. */
void fst__training_visit(fst__training *training, fst__visitor *visitor, bool with_gradients);

/* After the weights were read from a file. */
void fst__training_restored(fst__training *training);

/* The checksum of a model's weights as text, for a model that a run reads and does not save. */
enum { FST__WEIGHTS_SUM = 24 };
void fst__training_sum(const fst_model *model, char text[FST__WEIGHTS_SUM]);

void fst__training_memory(const fst__training *training, fst_memory *memory);

#endif
