/* What a checkpoint of a language stage holds. */
#include "stages/language/language.h"

#include <stddef.h>
#include <stdio.h>

/* Positions in the data mean something only over the same rows. */
static const fst__setting data_settings[] = {
    {"rows", offsetof(fst_dataset_info, rows), FST__SETTING_I64, 1},
    {"length", offsetof(fst_dataset_info, length), FST__SETTING_I64, 1},
    {"tokens", offsetof(fst_dataset_info, tokens), FST__SETTING_I64, 1},
    {"targets", offsetof(fst_dataset_info, targets), FST__SETTING_I64, 1},
    {"cross_documents", offsetof(fst_dataset_info, cross_documents), FST__SETTING_I32, 1},
};

static const fst__setting step_settings[] = {
    {"rows", offsetof(fst__language_options, rows), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst__language_options, shuffle), FST__SETTING_I32, 1},
    {"label_smoothing", offsetof(fst__language_options, label_smoothing), FST__SETTING_F64, 0},
    {"z_loss", offsetof(fst__language_options, z_loss), FST__SETTING_F64, 0},
};

#define MASK(field) #field, offsetof(fst__language_options, mask.field)
static const fst__setting mask_settings[] = {
    {MASK(mask_id), FST__SETTING_I32, 1},
    {MASK(whole_words), FST__SETTING_I32, 0},
    {MASK(mask_probability), FST__SETTING_F64, 0},
    {MASK(mask_token_share), FST__SETTING_F64, 0},
    {MASK(random_token_share), FST__SETTING_F64, 0},
};
#undef MASK

/* Which ids are special and where words begin, by a checksum. */
static void visit_flags(const fst__language *language, const char *prefix, fst__visitor *visitor)
{
    char key[64];
    snprintf(key, sizeof key, "%s.mask_flags", prefix);
    fst__visit_setting_bytes(visitor, key, language->flags,
                             (size_t)language->options.mask.vocabulary_size, 0);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

void fst__language_visit(fst_run *run, fst__visitor *visitor)
{
    fst__language *c = fst__language_of(run);
    const char *prefix = run->stage->name;
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings), &c->train_info);
    fst__visit_settings(visitor, prefix, step_settings, COUNT(step_settings), &c->options);
    if (c->options.masked) {
        fst__visit_settings(visitor, prefix, mask_settings, COUNT(mask_settings), &c->options);
        visit_flags(c, prefix, visitor);
    }
    fst__visit_doubles(visitor, prefix, "sum_loss", &c->sums.loss, 1);
    fst__visit_doubles(visitor, prefix, "sum_z_loss", &c->sums.z_loss, 1);
    fst__visit_i64(visitor, prefix, "sum_tokens", &c->sums.tokens, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, prefix, "sum_correct", &c->sums.correct, 0, FST__COUNTER_MOST);
    fst__steps_visit(&c->steps, prefix, visitor);
}
