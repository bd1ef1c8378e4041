/* How a model's hidden states become the embedding of a text, and the files in which
 * sentence-transformers says so: modules.json, 1_Pooling/config.json, sentence_bert_config.json. */
#ifndef FST_MODEL_SENTENCE_H
#define FST_MODEL_SENTENCE_H

#include "model/model.h"

fst_sentence_options fst__sentence_defaults(void);
/* NULL: the model has none. */
const fst_sentence_options *fst__model_sentence(const fst_model *model);
/* NULL: none from now on. */
fst_status fst__model_set_sentence(fst_model *model, const fst_sentence_options *options);

/* Leaves the model without where the directory says nothing, or, with a warning, something that
 * this library lacks. */
fst_status fst__sentence_load(fst_model *model, const char *directory);
/* Where the model has none, modules.json goes. */
fst_status fst__sentence_save(const fst_model *model, const char *directory);

#endif
