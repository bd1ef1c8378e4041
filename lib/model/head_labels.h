/* Names of a head's outputs: classes, tags. */
#ifndef FST_MODEL_HEAD_LABELS_H
#define FST_MODEL_HEAD_LABELS_H

#include "formats/json.h"
#include "model/model.h"

/* Copies as many as the head has outputs; NULL: none. Two that are the same are refused. */
fst_status fst__head_set_labels(fst_model *model, fst__head *head, const char *const *labels);
/* NULL where the head has none; borrowed. */
const char *fst__head_label(const fst__head *head, int64_t index);
/* Sets id2label and label2id, "LABEL_0" … where there are none, as transformers; false: no memory. */
bool fst__head_labels_to_json(const fst__head *head, json_t *root);

#endif
